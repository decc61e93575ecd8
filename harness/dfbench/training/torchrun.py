"""`python -m dfbench.training.torchrun` is torchrun; dfbench, imported on the way, keeps it from code in the working folder."""

from __future__ import annotations

from torch.distributed.run import main

if __name__ == "__main__":
    main()
