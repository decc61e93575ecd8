"""A request, resolved."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfbench.errors import UsageError
from dfbench.hooks.host import Host
from dfbench.runs.planning.devices import choose_device
from dfbench.runs.planning.protocols import trained_at
from dfbench.specs import ProtocolSpec

PROTOCOLS = [Host.load().registry.protocol(name) for name in Host.load().registry.names("protocol")]
TESTED = replace(PROTOCOLS[0], name="tested", train=None, validation=None)


@given(st.sampled_from([*PROTOCOLS, TESTED]), st.sampled_from(["c40", "raw"]))
def test_another_compression_to_train_on_leaves_the_tests_alone(
    protocol: ProtocolSpec, compression: str
) -> None:
    other = trained_at(protocol, compression)
    sets = (protocol.train, protocol.validation)
    expected = [None if one is None else replace(one, compression=compression) for one in sets]
    assert [other.train, other.validation] == expected
    assert replace(other, train=protocol.train, validation=protocol.validation) == protocol
    assert trained_at(protocol, "") is protocol


@pytest.mark.parametrize(
    ("device", "count", "says"),
    [
        ("cuda", 3, "this machine has 2"),
        ("cuda:1", 2, "takes the first 2 of its kind"),
        ("auto", 3, "this machine has 2"),
    ],
)
def test_devices_are_counted_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, device: str, count: int, says: str
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UsageError, match=says):
        choose_device(device, count=count)
    assert choose_device("auto", count=2) == "cuda"
    assert choose_device("cpu", count=8) == "cpu"


@pytest.mark.parametrize(
    ("device", "says"),
    [
        ("cuda", "no CUDA device is available"),
        ("cuda:1", "no CUDA device is available"),
        ("mps", "'mps' was asked for, but this machine has none"),
        ("quantum", "unknown device 'quantum'"),
    ],
)
def test_a_device_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, device: str, says: str
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UsageError, match=says):
        choose_device(device)


def test_a_cuda_device_beyond_the_last_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("cuda:1") == "cuda:1"
    with pytest.raises(UsageError, match="there is no cuda:2: this machine has 2"):
        choose_device("cuda:2")
