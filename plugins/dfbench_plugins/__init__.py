"""The plugins that come with dfbench; they enter by the entry-point group `dfbench`, as anybody's do."""
