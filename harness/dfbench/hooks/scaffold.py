"""`dfbench plugins new`: a minimal package of a plugin that can be installed and run at once."""

from __future__ import annotations

import importlib.util
import keyword
import re
import shutil
import tempfile
from importlib.resources import files
from pathlib import Path
from string import Template

from dfbench.errors import StoreError, UsageError
from dfbench.escaping import for_shell
from dfbench.hooks.host import Host
from dfbench.hooks.registry import Kind
from dfbench.names import name_fault, shown

_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")
_EXAMPLE = "dfbench plugins new detector my_detector"
# The files of each kind of package: template and where it is written, in which {name} is the detector's.
_SHARED = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "__init__.py": "{name}/__init__.py",
    "card.toml": "{name}/cards/{name}.toml",
}
KINDS = {
    "detector": {
        **_SHARED,
        "detector.py": "{name}/detector.py",
        "test_detector.py": "tests/test_{name}.py",
    },
    "trainable-detector": {
        **_SHARED,
        "method.py": "{name}/method.py",
        "standard.toml": "{name}/recipes/standard.toml",
        "test_method.py": "tests/test_{name}.py",
    },
}


def new_plugin(kind: str, name: str, folder: Path, *, host: Host) -> Path:
    """Write the package of a detector called `name` into `folder`, which must not exist, and return `folder`.

    `kind` is one of `KINDS`. Raises UsageError for another, if `name` is no lower-case Python identifier or is taken by a
    detector or a plugin of `host` or by an importable module, or if `folder` exists; StoreError if it cannot be written. The
    folder appears whole or not at all.
    """
    if kind not in KINDS:
        raise UsageError(
            f"there is no template for a {kind!r}",
            hints=tuple(
                f"a {known}:   dfbench plugins new {for_shell(known)} {for_shell(name)}" for known in KINDS
            ),
        )
    _check_name(name, host)
    if folder.exists() or folder.is_symlink():
        raise UsageError(
            f"{folder} exists already",
            hints=(
                f"write elsewhere:   dfbench plugins new {for_shell(kind)} {for_shell(name)} --folder ANOTHER_FOLDER",
            ),
        )
    camel = "".join(part.capitalize() for part in name.split("_"))
    values = {
        "name": name,
        "dashed": name.replace("_", "-").strip("-"),
        "class_name": f"{camel}Detector",
        "recipe_class": f"{camel}Recipe",
    }
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            for template, target in KINDS[kind].items():
                path = unfinished / target.format(name=name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(_filled(kind, template, values), encoding="utf-8")
            unfinished.chmod(0o755)  # mkdtemp makes it private
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be written: {error}", hints=("choose another --folder",)
        ) from error
    return folder


def _filled(kind: str, template: str, values: dict[str, str]) -> str:
    folder = files("dfbench.hooks") / "templates" / kind.replace("-", "_")
    source = folder / f"{template}.template"
    return Template(source.read_text(encoding="utf-8")).substitute(values)


def _check_name(name: str, host: Host) -> None:
    if not _IDENTIFIER.fullmatch(name) or name.endswith("_") or keyword.iskeyword(name):
        raise UsageError(
            f"{name!r} cannot name a detector: lower-case letters, digits and _ only, beginning with a letter",
            hints=(f"for example:   {_EXAMPLE}",),
        )
    if fault := name_fault(name):
        raise UsageError(
            f"{shown(name)} cannot name a detector: it {fault}", hints=(f"for example:   {_EXAMPLE}",)
        )
    offer = host.registry.offer(Kind.DETECTOR, name)
    if offer is not None:
        raise UsageError(
            f"a detector called {name!r} is offered by plugin {offer.plugin!r} already",
            hints=("choose another name; `dfbench plugins list` shows those that are taken",),
        )
    if name in {record.name for record in host.plugins} or importlib.util.find_spec(name) is not None:
        raise UsageError(
            f"{name!r} is the name of an installed plugin or Python module",
            hints=(f"choose another name, such as {name}_detector",),
        )
