"""The rules that draw weights and images give the numbers that the public code was fed."""

from __future__ import annotations

import json
import zlib
from typing import Any

import numpy as np
import pytest
from tests.baselines.golden import GOLDEN, drawn, images

RULES: dict[str, list[dict[str, Any]]] = json.loads((GOLDEN / "rules.json").read_text())


@pytest.mark.parametrize("check", RULES["tensors"], ids=lambda check: str(check["name"]))
def test_weights_are_drawn_from_their_names(check: dict[str, Any]) -> None:
    value = drawn(check["name"], tuple(check["shape"]), gain=check["gain"])
    assert value.dtype == np.float32
    assert value.reshape(-1)[:4].tolist() == check["first4"]
    assert zlib.crc32(value.tobytes()) == check["crc32_float32_bytes"]


@pytest.mark.parametrize("check", RULES["images"], ids=lambda check: str(check["name"]))
def test_images_are_drawn_from_their_names(check: dict[str, Any]) -> None:
    assert check["h"] == check["w"]
    pixels = images(check["name"], count=check["n"], size=check["h"])
    assert pixels[0, 0, 0].tolist() == check["first_pixel"]
    assert zlib.crc32(pixels.tobytes()) == check["crc32"]
