"""The data sets at a glance: what is configured, there and complete, and what becomes of one does not hide the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.cli.toy_corpus import PER_SPLIT, ToyPlugin, write_toy

from dfbench.data.datasets.inventory import Inventory
from dfbench.errors import LayoutError, MissingCompressionError, SettingsError, UnknownNameError
from dfbench.hooks.host import Host
from dfbench.progress import SilentProgress
from dfbench.runs.datasets.checking import inspect_dataset
from dfbench.runs.datasets.overview import NOT_CONFIGURED, DatasetState, overview, states_on_disk
from dfbench.runs.planning.sources import DataSource
from dfbench.specs import DatasetSpec

REGISTRY = Host.load([ToyPlugin()]).registry
TOY = REGISTRY.dataset("toy")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_toy(tmp_path / "toy")


def source_of(roots: dict[str, Path], **fields: Any) -> DataSource:
    return DataSource("official", roots, made=False, **fields)


def look_at(root: Path, *, broken: Sequence[str | None] = (), absent: Sequence[str | None] = ()) -> Any:
    """Look at a copy of the toy; some of its compressions are `broken`, others `absent`."""

    def look(spec: DatasetSpec, *, compression: str | None) -> Inventory:
        if compression in absent:
            raise MissingCompressionError(f"there is no {compression}")
        if compression in broken:
            raise LayoutError("this is no toy", hints=("correct it",))
        del spec
        return inspect_dataset(
            TOY,
            source=source_of({"toy": root}),
            compression=compression,
            workers=1,
            progress=SilentProgress(),
        )

    return look


def test_each_data_set_has_a_state_and_those_on_disk_one_for_each_compression(root: Path) -> None:
    source = source_of({"toy": root, "celeb_df_v2": root.parent / "gone"})
    states = {state.name: state for state in overview(REGISTRY, source, look=look_at(root))}
    assert {states[name].state for name in ("toy (c23)", "toy (c40)")} == {"complete"}
    assert states["celeb_df_v2"].state == "MISSING"
    assert "correct [data.roots]" in states["celeb_df_v2"].hints[0]
    others = set(states) - {"toy (c23)", "toy (c40)", "celeb_df_v2"}
    assert {states[name].state for name in others} == {NOT_CONFIGURED}
    assert len(others) == len(REGISTRY.names("dataset")) - 2


def test_what_is_not_looked_into_is_found_and_no_more(root: Path) -> None:
    (state,) = (
        one for one in overview(REGISTRY, source_of({"toy": root}), look=None) if one.spec.name == "toy"
    )
    assert (state.state, state.complete, state.inventory) == ("found", False, None)


def test_a_root_under_a_name_that_nobody_offers_is_told(root: Path) -> None:
    error = UnknownNameError("there is no dataset 'toi'", hints=("did you mean toy?",))
    states = overview(REGISTRY, source_of({}, unknown={"toi": (root, error)}), look=None)
    assert (states[-1].name, states[-1].state, states[-1].reason) == ("toi", "UNKNOWN", error.message)
    assert states[-1].to_json()["remedies"] == ["did you mean toy?"]


@pytest.mark.parametrize(
    ("broken", "absent", "expected"),
    [
        ([], [], [("c23", "complete"), ("c40", "complete")]),
        ([], ["c40"], [("c23", "complete")]),
        (["c23"], [], [("c23", "BROKEN"), ("c40", "complete")]),
        (["c23", "c40"], [], [("c23", "BROKEN")]),  # a wrong root is wrong at each, and told once
        (["c40"], ["c23"], [("c40", "BROKEN")]),
        ([], ["c23", "c40"], [("c23", "BROKEN")]),  # of nothing at all, the default one
    ],
)
def test_of_several_compressions_those_that_are_there_are_told(
    root: Path, broken: list[str], absent: list[str], expected: list[tuple[str, str]]
) -> None:
    states = states_on_disk(TOY, root, look=look_at(root, broken=broken, absent=absent))
    assert [(state.compression, state.state) for state in states] == expected
    (asked,) = states_on_disk(TOY, root, look=look_at(root, absent=absent), compression="c40")
    assert (asked.compression, asked.complete) == ("c40", "c40" not in absent)


def test_a_data_set_that_may_lie_in_the_root_of_another_need_not_be_there(root: Path) -> None:
    spec = DatasetSpec(name="guest", summary="", build="tests.cli.toy_corpus:Toy", root_of="toy")

    class Two:
        def names(self, kind: str) -> list[str]:
            assert kind == "dataset"
            return ["guest", "toy"]

        def dataset(self, name: str) -> DatasetSpec:
            return spec if name == "guest" else TOY

    two: Any = Two()
    there = overview(two, source_of({"toy": root}), look=look_at(root))
    assert (there[0].within, there[0].state) == ("toy", "complete")
    gone = overview(two, source_of({"toy": root}), look=look_at(root, broken=[None]))
    assert (gone[0].state, gone[0].root, gone[0].reason) == (NOT_CONFIGURED, None, "this is no toy")
    own = overview(two, source_of({"toy": root, "guest": root}), look=look_at(root, broken=[None]))
    assert (own[0].state, own[0].within) == ("BROKEN", "")  # a root of its own must hold it


def test_what_is_amiss_is_shown_with_what_to_do(root: Path) -> None:
    error = LayoutError("this is no toy", hints=("correct it",))
    state = DatasetState(TOY, root, "", "BROKEN", "c40", error=error)
    assert state.lines() == [
        f"Toy in {root} (compression: c40)",
        "  cannot be checked: this is no toy",
        "  to do: correct it",
        "BROKEN",
    ]
    told = state.to_json()
    assert (told["state"], told["error"], told["complete"]) == ("BROKEN", "this is no toy", False)


def test_a_video_that_is_gone_makes_a_data_set_incomplete(root: Path) -> None:
    (root / "c40" / "test" / "3.mp4").unlink()
    first, second = states_on_disk(TOY, root, look=look_at(root))
    assert (first.state, second.state) == ("complete", "INCOMPLETE")
    assert second.inventory is not None
    assert second.inventory.missing == ("c40/test/3.mp4",)
    assert second.to_json() == second.inventory.to_json()
    assert second.lines() == second.inventory.lines()


def test_a_data_set_is_checked_where_it_is_said_to_be_and_in_the_splits_that_are_named(root: Path) -> None:
    other = write_toy(root.parent / "other")
    (other / "c23" / "val" / "0.mp4").unlink()

    def checked(**options: Any) -> Inventory:
        given: dict[str, Any] = {"source": source_of({"toy": root}), **options}
        return inspect_dataset(TOY, workers=1, progress=SilentProgress(), **given)

    assert checked().complete
    assert checked(root=other).missing == ("c23/val/0.mp4",)
    test = checked(root=other, splits=("test",))
    assert test.complete
    assert sum(row.expected.real + row.expected.fake for row in test.rows) == PER_SPLIT
    with pytest.raises(SettingsError, match="no root is configured for dataset 'toy'"):
        checked(source=source_of({}))
