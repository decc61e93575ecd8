"""What a dataset should hold, what it does hold, and what two of them share."""
