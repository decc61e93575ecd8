"""What a run or a training will do, settled before anything is computed."""
