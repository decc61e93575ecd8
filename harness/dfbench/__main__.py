"""`python -m dfbench`, which is how several processes of a training are started."""

from dfbench.cli import main

main()
