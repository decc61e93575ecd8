"""Parts that synthesizers of pseudo-fakes are made of: hulls of faces, photometric and geometric steps, soft masks, blends.

Bundled plugins may import these modules, which import OpenCV; this one imports nothing.
"""
