"""What to do about errors of Python that plugins meet where they use dfbench: a name or a field that it does not have."""

from __future__ import annotations

import re
from dataclasses import fields
from importlib import import_module

from dfbench.specs import (
    CorpusSpec,
    DatasetSpec,
    DetectorSpec,
    FaceFinderSpec,
    Offer,
    ProtocolSpec,
    SynthesizerSpec,
)
from dfbench.text import meant

PUBLIC = ("dfbench", "dfbench.data", "dfbench.training")
_SPECS: dict[str, type[Offer]] = {
    kind.__name__: kind
    for kind in (CorpusSpec, DatasetSpec, DetectorSpec, FaceFinderSpec, ProtocolSpec, SynthesizerSpec)
}
_NO_FIELD = re.compile(r"(?P<spec>\w+)\.__init__\(\) got an unexpected keyword argument '(?P<field>\w+)'")
_NO_NAME = re.compile(r"cannot import name '(?P<name>\w+)'")


def remedy(error: BaseException) -> str:
    """Return what to do about `error`, as the end of its message: the fields of the spec that lacks one, or where a name is.

    Returns "" for any other error.
    """
    if type(error) is TypeError and (found := _NO_FIELD.search(str(error))) and found["spec"] in _SPECS:
        known = [each.name for each in fields(_SPECS[found["spec"]])]
        return f"; {meant(found['field'], known) or 'leave it out'}; {found['spec']} has {', '.join(known)}"
    if type(error) is ImportError and error.name in PUBLIC and (found := _NO_NAME.search(str(error))):
        try:
            getattr(import_module(error.name), found["name"])
        except AttributeError as lacking:
            return str(lacking).partition(repr(found["name"]))[2]
    return ""
