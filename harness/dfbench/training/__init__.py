"""The training loop: devices, processes, Lightning, and what a training leaves behind."""
