"""A request, resolved."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dfbench.hooks.host import Host
from dfbench.runs.stage import trained_at
from dfbench.types import ProtocolSpec

PROTOCOLS = [Host.load().registry.protocol(name) for name in Host.load().registry.names("protocol")]


@given(st.sampled_from(PROTOCOLS), st.sampled_from(["c40", "raw"]))
def test_another_compression_to_train_on_leaves_the_tests_alone(
    protocol: ProtocolSpec, compression: str
) -> None:
    other = trained_at(protocol, compression)
    assert other.train.compression == other.validation.compression == compression
    assert replace(other, train=protocol.train, validation=protocol.validation) == protocol
    assert trained_at(protocol, "") is protocol
