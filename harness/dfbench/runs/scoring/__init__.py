"""Scoring: prepared faces in, a score table out."""
