"""Metrics and their uncertainty, in pure numpy: the bottom layer."""
