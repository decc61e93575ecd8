"""Explanations: where and when a detector sees a forgery."""
