"""From decoded frames to the face track of a video."""
