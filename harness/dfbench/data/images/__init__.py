"""Videos that are stored as images, in folders or archives, and what a file is by its name and size."""
