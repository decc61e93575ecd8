"""The formats in which a board is shown: a module each, which decides nothing of what the board says."""
