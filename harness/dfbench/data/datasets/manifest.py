"""The manifest: the table of a dataset's expected videos, what is selected from it, and its identity.

A video is keyed by (dataset, video_id). The digest covers everything about a manifest that can change a score
or an interval, and no absolute path, so that the same data on two machines is the same manifest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dfbench.data.fingerprints import fingerprints
from dfbench.errors import ManifestError, unknown_name
from dfbench.identity import digest_of
from dfbench.specs import VideoSelection
from dfbench.text import restored, reversible
from dfbench.types import Label, Video

if TYPE_CHECKING:
    import pandas as pd

    from dfbench.exchanged import DatasetIndex

COLUMNS = (
    "dataset",
    "video_id",
    "path",
    "label",
    "split",
    "manipulation",
    "compression",
    "identities",
    "group",
    "mask_path",
)
FileFingerprints = Mapping[
    tuple[str, str], tuple[str, ...]
]  # by (test or dataset, video_id): of a video, and of its mask


def manifest_of(videos: Iterable[Video]) -> pd.DataFrame:
    r"""The table of `videos`, a row each in the given order.

    Columns are the fields of Video: all of them strings (identities as a JSON array, mask_path "" where there is
    none, backslashes in paths doubled and their bytes that are not UTF-8 as \xff) but `label`, int8. Raises
    ManifestError if a (dataset, video_id) is repeated.
    """
    import pandas as pd

    rows = list(videos)
    refuse_duplicates(rows)
    content: dict[str, list[str] | list[int]] = {
        "dataset": [video.dataset for video in rows],
        "video_id": [video.video_id for video in rows],
        "path": [reversible(str(video.path)) for video in rows],
        "label": [int(video.label) for video in rows],
        "split": [video.split for video in rows],
        "manipulation": [video.manipulation for video in rows],
        "compression": [video.compression for video in rows],
        "identities": [json.dumps(video.identities, ensure_ascii=False) for video in rows],
        "group": [video.group for video in rows],
        "mask_path": ["" if video.mask_path is None else reversible(str(video.mask_path)) for video in rows],
    }
    return pd.DataFrame(content, columns=list(COLUMNS)).astype(
        {name: "int8" if name == "label" else "str" for name in COLUMNS}
    )


def videos_of(manifest: pd.DataFrame) -> list[Video]:
    """The videos of a manifest table, the inverse of `manifest_of`.

    Raises ManifestError if a column is missing, a label is neither 0 nor 1, or a video is repeated.
    """
    absent = [name for name in COLUMNS if name not in manifest.columns]
    if absent:
        raise ManifestError(
            f"the manifest has no column {', '.join(absent)}", hints=("make it with manifest_of",)
        )
    table = zip(*(manifest[name].tolist() for name in COLUMNS), strict=True)
    videos = []
    for dataset, video_id, path, label, split, manipulation, compression, identities, group, mask in table:
        if label not in (0, 1):
            raise ManifestError(
                f"{dataset} {video_id}: the label is {label!r}", hints=("use 0 real, 1 fake",)
            )
        videos.append(
            Video(
                dataset=dataset,
                video_id=video_id,
                path=Path(restored(path)),
                label=Label(label),
                split=split,
                manipulation=manipulation,
                compression=compression,
                identities=_identities(identities, f"{dataset} {video_id}"),
                group=group,
                mask_path=Path(restored(mask)) if mask else None,
            )
        )
    refuse_duplicates(videos)
    return videos


def _identities(text: str, video: str) -> tuple[str, ...]:
    try:
        found = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ManifestError(
            f"{video}: the identities are {text!r}", hints=("make the manifest with manifest_of",)
        )
    return tuple(found)


def select(videos: Iterable[Video], selection: VideoSelection) -> list[Video]:
    """The videos of `selection`, in their order.

    `manipulations` is meant literally: reals are selected by "real". `compression` is not looked at here, since
    it was settled when the dataset was indexed. Raises UnknownNameError if no video has the dataset, a split or
    a manipulation that is asked for, and ManifestError if nothing is left or a video is repeated.
    """
    rows = list(videos)
    known = sorted({video.dataset for video in rows})
    if selection.dataset not in known:
        raise unknown_name("dataset", selection.dataset, known, where="these videos")
    rows = [video for video in rows if video.dataset == selection.dataset]
    splits = sorted({video.split for video in rows})
    manipulations = sorted({video.manipulation for video in rows})
    for split in selection.splits:
        if split not in splits:
            raise unknown_name("split", split, splits, where=selection.dataset)
    for manipulation in selection.manipulations:
        if manipulation not in manipulations:
            raise unknown_name("manipulation", manipulation, manipulations, where=selection.dataset)
    chosen = [
        video
        for video in rows
        if (not selection.splits or video.split in selection.splits)
        and (not selection.manipulations or video.manipulation in selection.manipulations)
    ]
    if not chosen:
        raise ManifestError(
            f"{selection.dataset} has no videos of {', '.join(selection.manipulations)} "
            f"in {', '.join(selection.splits)}",
            hints=("ask for other splits or manipulations",),
        )
    refuse_duplicates(chosen)
    return chosen


def manifest_digest(videos: Iterable[Video]) -> str:
    """SHA-256 (hex) of what identifies `videos`, whatever their order and wherever their files are.

    Raises ManifestError if a video is repeated.
    """
    rows = list(videos)
    refuse_duplicates(rows)
    return digest_of(
        sorted(
            [
                video.dataset,
                video.video_id,
                int(video.label),
                video.split,
                video.manipulation,
                video.compression,
                list(video.identities),
                video.group,
            ]
            for video in rows
        )
    )


def fingerprints_digest(files: FileFingerprints) -> str:
    """SHA-256 (hex) of the fingerprints of videos and of their masks, whatever their order and wherever they are.

    It is no part of `manifest_digest`: two laboratories expect the same videos, even if one lacks a file. Samples of the
    files count and not their contents, because nobody reads ten terabytes before a run begins.
    """
    return digest_of(sorted([*video, *found] for video, found in files.items()))


def file_fingerprints(
    videos: Iterable[Video], *, test: str = "", known: MutableMapping[Path, str] | None = None
) -> FileFingerprints:
    """Take the fingerprint of each video's file, and of its mask if it has one; returns them by (dataset, video_id).

    `test`: the key of a test, which then stands in the place of the dataset. `known`: fingerprints by path, which are not
    taken again; those that are taken are added. A mask counts because it can choose whose face is cut out.
    """
    files = [
        ((test or video.dataset, video.video_id), path)
        for video in videos
        for path in (video.path, video.mask_path)
        if path is not None
    ]
    taken = {} if known is None else known
    left = [path for path in dict.fromkeys(path for _, path in files) if path not in taken]
    taken.update(zip(left, fingerprints(left), strict=True))
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for key, path in files:
        found[key] = (*found.get(key, ()), taken[path])
    return found


def refuse_duplicates(videos: Iterable[Video]) -> None:
    """Raise ManifestError, which names both files, if two videos share (dataset, video_id)."""
    seen: dict[tuple[str, str], Video] = {}
    for video in videos:
        first = seen.setdefault((video.dataset, video.video_id), video)
        if first is not video:
            raise ManifestError(
                f"{video.dataset} has the video {video.video_id!r} twice: {first.path} and {video.path}",
                hints=("a video_id must be unique in its dataset: say where the video comes from in it",),
            )


def refuse_unfit(index: DatasetIndex, dataset: str) -> None:
    """Raise ManifestError, which names the file and what to do, if a video of `index` fits into no result table."""
    unfit = [(video, fault) for video in index.videos if (fault := video.fault())]
    if unfit:
        video, fault = unfit[0]
        more = f" (and {len(unfit) - 1} more videos)" * (len(unfit) > 1)
        place = " or ".join(str(path) for path in index.lists)
        raise ManifestError(
            f"{dataset} cannot be used: {video.path} {fault}{more}",
            hints=(f"correct it in {place}" if place else f"rename {video.path.parent}, or mend its plugin",),
        )
    foreign = next((video for video in index.videos if video.dataset != dataset), None)
    if foreign is not None:
        raise ManifestError(
            f"{dataset} cannot be used: {foreign.path} is said to be of {foreign.dataset!r}",
            hints=(f"its plugin must name it {dataset!r}",),
        )


def compression_of(name: str | None, *, dataset: str, offered: Sequence[str]) -> str:
    """Return the name on disk of the compression `name`; None means the first of `offered`. "c0", as in papers, is "raw".

    Raises UnknownNameError for a compression that the dataset does not offer.
    """
    if name is None:
        return offered[0]
    on_disk = "raw" if name == "c0" and "raw" in offered else name
    if on_disk not in offered:
        raise unknown_name("compression", name, offered, where=dataset)
    return on_disk
