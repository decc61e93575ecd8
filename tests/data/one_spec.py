"""The stage of preparation for videos that are all wanted by one spec, as most tests call it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from dfbench.data.preparing.prepare import Preparation, Report, prepare_all
from dfbench.types import PrepareSpec, VideoFile

_V = TypeVar("_V", bound=VideoFile)


def prepare(videos: Sequence[_V], spec: PrepareSpec, **options: Any) -> Report[_V]:
    """Return the outcome of each video; `options` are those of `prepare_all`."""
    (report,) = prepare_all([Preparation(videos, spec)], **options)
    return report
