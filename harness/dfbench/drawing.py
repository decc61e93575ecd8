"""Words in pictures: what stands in a name is drawn, and changes neither the lines nor the direction of the writing."""

from __future__ import annotations

from typing import Any

from PIL import Image, ImageDraw

from dfbench.escaping import for_terminal


class InertDraw(ImageDraw.ImageDraw):
    """Draws on an image as Pillow does, every text on one line and escaped."""

    def text(self, xy: Any, text: Any, *arguments: Any, **options: Any) -> None:
        """As Pillow's."""
        super().text(xy, for_terminal(text), *arguments, **options)


def draw_on(image: Image.Image) -> ImageDraw.ImageDraw:
    """Return what draws on `image`."""
    return InertDraw(image)
