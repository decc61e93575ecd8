"""Leaderboards: the results of many runs side by side."""
