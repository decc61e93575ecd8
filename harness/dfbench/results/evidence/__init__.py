"""Explanations as files: pictures, figures, videos and tables."""
