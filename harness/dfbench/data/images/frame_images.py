"""Frames that are images: whatever their names say, PNG, JPEG, BMP, WebP or TIFF of a single picture."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from dfbench.data.images.limits import require_size
from dfbench.errors import UndecodableVideoError, UnreadableError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# What a frame is, whatever its name; Pillow would run Ghostscript for an EPS.
_KINDS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF")
# A JPEG of several pictures holds the frame first, then what helps to show it.
_ANIMATED = ("PNG", "WEBP", "TIFF")
_DEEP = ("I;16", "I;16L", "I;16B", "I;16N")  # grey of 16 bits, which Pillow would cut at 255
_UNKNOWN_RANGE = ("I", "F")
# What the readers of damaged or foreign archives raise; zlib's error is no OSError, and the two before the last are of
# compression methods that Python lacks and of encrypted entries.
DAMAGE: tuple[type[Exception], ...] = (
    *(OSError, EOFError, ValueError, KeyError, tarfile.TarError, zipfile.BadZipFile, zlib.error),
    *(NotImplementedError, RuntimeError, UnreadableError),
)


def frame_image(content: bytes, path: Path) -> NDArray[np.uint8]:
    """Decode an image, turned upright; returns it as (H, W, 3) uint8 RGB. Raises UndecodableVideoError, which names `path`."""
    import numpy as np
    from PIL import Image, ImageOps, UnidentifiedImageError

    unreadable: tuple[type[Exception], ...] = (
        *(SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning),
        *DAMAGE,
    )
    try:
        with Image.open(BytesIO(content), formats=_KINDS) as image:
            require_size(path, *image.size)
            if image.format in _ANIMATED and (count := getattr(image, "n_frames", 1)) > 1:
                raise ValueError(f"an animation of {count} pictures and no frame")
            upright = ImageOps.exif_transpose(image)
            if upright.mode in _DEEP:
                return np.repeat((np.asarray(upright) >> 8).astype(np.uint8)[..., None], 3, axis=2)
            if upright.mode in _UNKNOWN_RANGE:
                raise ValueError("grey of more than 16 bits, of which nobody knows what is white")
            plain = upright.convert("RGBA") if "transparency" in upright.info else upright
            return np.asarray(plain.convert("RGB"), dtype=np.uint8)
    except UnidentifiedImageError as error:
        raise _unreadable(path, f"neither {', '.join(_KINDS[:-1])} nor {_KINDS[-1]}") from error
    except unreadable as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, reason: object) -> UndecodableVideoError:
    return UndecodableVideoError(f"{path}: not a readable image ({reason})", hints=("download it again",))
