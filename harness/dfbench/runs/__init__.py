"""Training and scoring: plans, the score table, protocols, provenance."""
