"""How each corpus looks: frame sizes, rates, compression, cameras, light and places, different as real ones are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Style:
    """Ranges a shot is drawn from. `noise` is the camera's standard deviation in grey levels, `softness` its
    lens blur in pixels, `face` half the face's width as a share of the frame's height, `shake` in pixels."""

    sizes: tuple[tuple[int, int], ...]
    rates: tuple[int, ...]
    crf: tuple[int, ...]
    noise: tuple[float, float]
    softness: tuple[float, float]
    face: tuple[float, float]
    ambient: tuple[float, float]
    exposure: tuple[float, float]
    warmth: tuple[float, float]
    shake: tuple[float, float]
    places: tuple[str, ...]


STYLES = {
    "ffpp": Style(
        sizes=((400, 300), (432, 324), (480, 360)),
        rates=(25, 30),
        crf=(23,),
        noise=(1.6, 3.4),
        softness=(0.35, 0.75),
        face=(0.185, 0.225),
        ambient=(0.40, 0.62),
        exposure=(0.88, 1.10),
        warmth=(-0.05, 0.07),
        shake=(0.1, 0.6),
        places=("studio", "bokeh", "room", "wall"),
    ),
    "celeb_df_v2": Style(
        sizes=((384, 288), (416, 312)),
        rates=(30,),
        crf=(20, 21),
        noise=(1.2, 2.4),
        softness=(0.45, 0.8),
        face=(0.20, 0.24),
        ambient=(0.46, 0.66),
        exposure=(0.95, 1.15),
        warmth=(0.02, 0.11),
        shake=(0.0, 0.4),
        places=("bokeh", "studio"),
    ),
    "dfdc": Style(
        sizes=((426, 240), (320, 320), (288, 384)),
        rates=(24, 30),
        crf=(23, 25, 27),
        noise=(2.2, 4.6),
        softness=(0.45, 1.0),
        face=(0.20, 0.25),
        ambient=(0.34, 0.58),
        exposure=(0.72, 1.02),
        warmth=(-0.09, 0.10),
        shake=(0.3, 1.5),
        places=("room", "wall", "outdoor"),
    ),
    "dfd": Style(
        sizes=((480, 270),),
        rates=(24,),
        crf=(23,),
        noise=(1.4, 2.8),
        softness=(0.3, 0.6),
        face=(0.215, 0.25),
        ambient=(0.50, 0.70),
        exposure=(0.95, 1.12),
        warmth=(-0.06, 0.03),
        shake=(0.0, 0.5),
        places=("office", "outdoor", "wall"),
    ),
}
