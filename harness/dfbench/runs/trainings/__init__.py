"""Weights: where they come from, and what is known of the training behind them."""
