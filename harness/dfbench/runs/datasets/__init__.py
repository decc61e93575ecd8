"""Looking at datasets and at this machine, without a run."""
