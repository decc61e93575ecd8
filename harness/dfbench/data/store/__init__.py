"""The face store: the files that hold what was prepared of each video."""
