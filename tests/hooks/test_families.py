"""A family of detectors stands for all that a library names: `timm:resnet18` is a member of `timm`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from dfbench import DetectorSpec, PluginError, UnknownNameError, UsageError, hookimpl
from dfbench.hooks.host import Host
from dfbench.hooks.registry import Kind, Registered, Registry, is_build_path, load_object
from dfbench.hooks.spec_faults import spec_fault
from dfbench.hooks.third_party import third_parties
from dfbench.names import member_of
from dfbench.runs.records.recorded_names import unusable_name
from dfbench.text import folder_name


@dataclass(frozen=True)
class Made:
    """Stands for the method of a member."""

    name: str

    def build(self) -> str:
        """Return what tells this member."""
        return f"built {self.name}"


def make(name: str) -> Made:
    """Return the method of a member. Raises UsageError for one, and breaks for another."""
    if name == "unknown":
        raise UsageError("no such member")
    if name == "broken":
        raise ZeroDivisionError("not today")
    return Made(name)


FAMILY = DetectorSpec(
    name="Lib", summary="Any network of lib.", method=f"{__name__}:make", family=True, aliases=("library",)
)
REGISTRY = Registry([Registered(Kind.DETECTOR, FAMILY, "libs")])


def test_a_member_is_a_detector_with_a_method_of_its_own() -> None:
    assert spec_fault(FAMILY) == ""
    spec = REGISTRY.detector("lib:net-1.a_b")
    assert (spec.name, spec.family, spec.aliases) == ("Lib:net-1.a_b", False, ())
    assert spec.needs_weights
    build: Any = load_object(spec.build)
    assert build() == "built net-1.a_b"
    assert load_object(spec.method) == Made("net-1.a_b")
    assert REGISTRY.detector("library:other").name == "Lib:other"
    found = REGISTRY.offer("detector", "LIB:x")
    assert found is not None
    assert (found.plugin, found.spec.name) == ("libs", "Lib:x")


def test_a_family_is_listed_and_is_no_detector_itself() -> None:
    assert (REGISTRY.names("detector"), REGISTRY.families()) == ((), ("Lib",))
    with pytest.raises(UnknownNameError, match="'lib' is a family") as caught:
        REGISTRY.detector("lib")
    assert caught.value.hints == ("name one of them:  Lib:NAME",)
    with pytest.raises(UnknownNameError, match="no detector is called 'other:net'") as unknown:
        REGISTRY.detector("other:net")
    assert "known: Lib:NAME" in unknown.value.hints
    assert (
        "timm:NAME"
        in next(one for one in Host.load().plugins if one.name == "baselines").offers[Kind.DETECTOR]
    )


@pytest.mark.parametrize(
    "name", ["lib:", "lib:a:b", "lib:../up", "lib:a(b)", "lib:.", ":x", f"lib:{'x' * 65}"]
)
def test_what_is_no_name_of_a_member_is_unknown(name: str) -> None:
    with pytest.raises(UnknownNameError):
        REGISTRY.detector(name)


def test_a_detector_that_is_no_family_has_no_members() -> None:
    registry = Registry(
        [Registered(Kind.DETECTOR, DetectorSpec(name="one", summary="", build="os:path"), "p")]
    )
    with pytest.raises(UnknownNameError, match="'one:two'"):
        registry.detector("one:two")


def test_what_a_factory_raises_names_it_unless_it_is_an_error_for_users() -> None:
    with pytest.raises(UsageError, match="no such member"):
        load_object(REGISTRY.detector("lib:unknown").build)
    with pytest.raises(PluginError, match="ZeroDivisionError: not today"):
        load_object(REGISTRY.detector("lib:broken").build)
    with pytest.raises(PluginError, match="not callable"):
        load_object(f"{__name__}:FAMILY(x)")
    for path in ("os:path(", "os:path()", "os:path(a b)", "os:path(a).", "os:path(a)b"):
        assert not is_build_path(path), path


def test_a_strangers_family_is_named_in_the_record_of_a_run() -> None:
    class Strange:
        @hookimpl
        def dfbench_detectors(self) -> list[DetectorSpec]:
            return [FAMILY]

    (found,) = third_parties(Host.load([Strange()]), [(Kind.DETECTOR, "lib:x")])
    assert list(found.offers) == ["detector Lib:x"]


def test_records_may_name_members_and_nothing_that_leads_elsewhere() -> None:
    assert member_of("timm:resnet18") == ("timm", "resnet18")
    assert unusable_name({"detector": {"name": "timm:resnet18"}}) == ""
    for name in ("timm:../x", "a:b:c", ":b", "a:"):
        assert "its detector" in unusable_name({"detector": {"name": name}}), name
    assert folder_name("timm:resnet18.a1_in1k") == "timm=resnet18.a1_in1k"
