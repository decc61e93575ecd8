"""The forgeries of the demo corpora, each after a real tool: swaps by autoencoder or by graphics, reenactment of a
whole face, re-rendered mouths. None blends a frame with itself, as the pseudo-fakes of training do."""
