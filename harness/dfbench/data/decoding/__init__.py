"""Decoding of video files: streams, the frames in them, and the wanted ones as arrays."""
