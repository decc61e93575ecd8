"""Every dataset can be tested alone, whether a protocol knows of it or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfbench.progress import SilentProgress
from dfbench.runs.planning.opening import open_scoring
from dfbench.runs.planning.requests import ScoringRequest
from dfbench.runs.planning.setup import Setup
from dfbench_plugins.datasets import dfbench_datasets

FIXTURES = {
    "ffpp": "ffpp_root",
    "celeb_df_v2": "celeb_root",
    "dfdc": "dfdc_root",
    "dfd": "dfd_root",
    "celeb_df_v1": "celeb_v1_root",
    "dfdc_3215": "dfdc_root",
    "dfdcp": "dfdcp_root",
    "deeperforensics": "dfo_root",
    "deeperforensics_sources": "dfo_root",
    "wilddeepfake": "wild_root",
    "ffiw": "ffiw_root",
    "celeb_df_pp": "celeb_pp_root",
    "df40": "own_root",
    "diffswap": "own_root",
    "kodf": "own_root",
    "uadfv": "own_root",
    "fakeavceleb": "fakeav_root",
    "folder": "own_root",
}


def test_no_dataset_is_left_out() -> None:
    assert [spec.name for spec in dfbench_datasets()] == list(FIXTURES)


@pytest.mark.parametrize("name", FIXTURES)
def test_each_has_a_test_of_its_own(
    name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    root: Path = request.getfixturevalue(FIXTURES[name])
    monkeypatch.setenv(f"DFBENCH_DATA__ROOTS__{name.upper()}", str(root))
    if name == "deeperforensics":
        monkeypatch.setenv("DFBENCH_DATA__ROOTS__FFPP", str(request.getfixturevalue("ffpp_root")))
    splits = ("val",) if name == "ffiw" else ()  # of which there is no test split
    session = open_scoring(ScoringRequest("chance", dataset=name, splits=splits), Setup(), SilentProgress())
    assert session.protocol.name == (f"dataset:{name}:val" if splits else f"dataset:{name}")
    (test,) = session.protocol.test_sets()
    assert test.key == name
    found = session.videos(test.selection)
    assert {one.dataset for one in found} == {name}
    assert {one.split for one in found} == {"val" if splits else "test"}
    assert {int(one.label) for one in found} == {0, 1}
