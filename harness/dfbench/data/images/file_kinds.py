"""What a file is by its name: a video, a frame, an archive of frames, or something that lies beside videos.

This is the one place that knows suffixes. What a file holds is read from the file: a wrong suffix misleads nobody but
whoever looks for videos in a folder.
"""

from __future__ import annotations

import re
from pathlib import Path

VIDEO_SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mp4v", ".mov", ".qt", ".f4v", ".3gp", ".3gpp", ".3g2", ".ismv", ".lrv", ".insv"),
        *(".mkv", ".mk3d", ".webm", ".avi", ".divx", ".xvid"),
        *(".mpg", ".mpeg", ".mpe", ".mpv", ".m2p", ".m1v", ".m2v", ".mp2v", ".vob", ".vro", ".mod"),
        *(".ts", ".mts", ".m2ts", ".m2t", ".tod", ".trp"),
        *(
            ".wmv",
            ".asf",
            ".dvr-ms",
            ".wtv",
            ".flv",
            ".ogv",
            ".ogm",
            ".mxf",
            ".nut",
            ".ivf",
            ".rm",
            ".rmvb",
            ".dv",
        ),
        *(".h264", ".264", ".avc", ".h265", ".265", ".hevc", ".obu", ".mjpeg", ".mjpg", ".y4m"),
        *(".gif", ".apng"),
    }
)
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"})
ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".zip")
# What people and programs keep beside videos: texts, tables, subtitles, sound, landmarks, checksums.
COMPANION_SUFFIXES = frozenset(
    {
        *(
            "",
            ".txt",
            ".md",
            ".rst",
            ".pdf",
            ".html",
            ".log",
            ".csv",
            ".tsv",
            ".json",
            ".jsonl",
            ".xml",
            ".yaml",
        ),
        *(".yml", ".toml", ".ini", ".db", ".srt", ".vtt", ".ass", ".ssa", ".lrc", ".py", ".sh", ".ipynb"),
        *(".wav", ".mp3", ".m4a", ".aac", ".flac", ".ogg", ".oga", ".opus", ".wma", ".ac3"),
        *(".npy", ".npz", ".pkl", ".h5", ".hdf5", ".mat", ".pt", ".parquet", ".md5", ".sha1", ".sha256"),
    }
)


def suffix_of(name: str) -> str:
    """The suffix of a file in lower case, as ".mp4"; "" if it has none."""
    return Path(name).suffix.casefold()


def is_archive_name(name: str) -> bool:
    """Return True if a file of this name is an archive that dfbench can read."""
    return name.casefold().endswith(ARCHIVE_SUFFIXES)


def is_video_name(name: str) -> bool:
    """Return True if a file of this name is a video file. Names that begin with a dot are not."""
    return suffix_of(name) in VIDEO_SUFFIXES and not name.startswith(".")


def is_frame_name(name: str) -> bool:
    """Return True if a file of this name is an image of a frame. Names that begin with a dot are not (macOS leaves `._1.png`)."""
    return suffix_of(name) in IMAGE_SUFFIXES and not name.startswith(".")


def is_companion_name(name: str) -> bool:
    """Return True if a file of this name often accompanies videos but is no video: a text, a table, sound."""
    return suffix_of(name) in COMPANION_SUFFIXES or name.startswith(".")


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key for sorting names so that frame 2 comes before frame 10."""
    return tuple(
        (0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part)
        for part in re.split(r"([0-9]+)", name)
    )
