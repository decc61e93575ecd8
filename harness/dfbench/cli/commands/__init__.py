"""The commands of `dfbench`, a file each."""
