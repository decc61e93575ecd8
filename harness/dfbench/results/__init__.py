"""From stored scores to tables, leaderboards, figures and reports."""
