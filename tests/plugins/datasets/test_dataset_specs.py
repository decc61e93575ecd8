"""What the bundled datasets say of themselves, and that saying it loads nothing heavy."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dfbench import Counts, DatasetSpec, LayoutError
from dfbench.data.datasets.stocktaking import take_stock
from dfbench.hooks.conformance import check_dataset
from dfbench.hooks.registry import load_object
from dfbench_plugins.datasets import dfbench_datasets
from dfbench_plugins.datasets.celeb_df_v2 import CelebDF
from dfbench_plugins.datasets.deeperforensics import DeeperForensics

SPECS = dfbench_datasets()
DOCS = Path(__file__).parents[3] / "docs" / "datasets"


def test_names_and_aliases_are_unique() -> None:
    names = [name for spec in SPECS for name in {one.casefold() for one in (spec.name, *spec.aliases)}]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_field_is_filled_and_build_leads_somewhere(spec: DatasetSpec) -> None:
    for text in (spec.title, spec.summary, spec.homepage, spec.licence, spec.aliases, spec.compressions):
        assert text
    assert spec.citation.startswith("@")
    assert spec.citation.count("{") == spec.citation.count("}")
    module, _, name = spec.build.partition(":")
    assert callable(getattr(importlib.import_module(module), name))


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_roots_that_are_shared_or_needed_are_those_of_known_datasets(spec: DatasetSpec) -> None:
    names = {one.name for one in SPECS} - {spec.name}
    assert {*spec.needs, spec.root_of} - {""} <= names


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_dataset_has_a_page_that_says_what_is_needed(spec: DatasetSpec) -> None:
    page = (DOCS / f"{spec.name}.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", page, re.MULTILINE)
    assert headings == ["How to get it", "Licence", "Tree", "Protocol", "Known traps", "BibTeX"]
    assert page.startswith(f"# {spec.title} (`{spec.name}`)\n")
    assert spec.citation in page
    assert spec.licence in page
    assert spec.homepage in page
    assert ("**Layout not verified.**" in page) is not spec.verified
    assert ("**Layout verified in part.**" in page) is bool(spec.unverified)
    assert spec.unverified in " ".join(page.split())
    (row,) = (
        line
        for line in (DOCS / "README.md").read_text(encoding="utf-8").splitlines()
        if line.startswith(f"| [`{spec.name}`]({spec.name}.md) |")
    )
    told = {"": "read as released", "not verified": "not verified: as `folder`"}.get(spec.layout, spec.layout)
    assert f"| {'your own' if spec.name == 'folder' else told} |" in row
    for part, counts in spec.official.items():
        if "/" not in part:
            assert f"| {part} | {counts.real} | {counts.fake} |" in page


def test_what_is_verified_in_part() -> None:
    partly = {spec.name for spec in SPECS if spec.layout == "verified in part"}
    assert partly == {"ffiw", "dfdc_3215", "celeb_df_pp", "fakeavceleb"}


def test_no_page_is_about_an_unknown_dataset() -> None:
    assert {path.stem for path in DOCS.glob("*.md")} == {"README", *(spec.name for spec in SPECS)}


@pytest.mark.parametrize(
    ("name", "fixture"),
    [
        ("ffpp", "ffpp_root"),
        ("celeb_df_v2", "celeb_root"),
        ("dfdc", "dfdc_root"),
        ("dfd", "dfd_root"),
        ("celeb_df_v1", "celeb_v1_root"),
        ("dfdc_3215", "dfdc_root"),
        ("dfdcp", "dfdcp_root"),
        ("deeperforensics", "dfo_root"),
        ("deeperforensics_sources", "dfo_root"),
        ("wilddeepfake", "wild_root"),
        ("ffiw", "ffiw_root"),
        ("celeb_df_pp", "celeb_pp_root"),
        ("fakeavceleb", "fakeav_root"),
        ("folder", "own_root"),
        ("kodf", "own_root"),
    ],
)
def test_each_keeps_what_every_stage_relies_on(
    name: str, fixture: str, request: pytest.FixtureRequest
) -> None:
    spec = next(one for one in SPECS if one.name == name)
    root = request.getfixturevalue(fixture)
    roots = {"ffpp": request.getfixturevalue("ffpp_root")} if spec.needs else None
    results = check_dataset(spec, root, roots=roots)
    assert len(results) == 5
    assert [result for result in results if not result.passed] == []


@pytest.mark.parametrize(
    ("name", "fixture", "lists"),
    [
        ("ffpp", "ffpp_root", ["splits/train.json", "splits/val.json", "splits/test.json"]),
        ("celeb_df_v2", "celeb_root", ["List_of_testing_videos.txt"]),
        ("dfdc", "dfdc_root", ["test/labels.csv", "test/metadata.json", "dfdc_train_part_0/metadata.json"]),
        ("dfdc_3215", "dfdc_root", ["dfdc_vids.txt", "test/labels.csv", "test/metadata.json"]),
        ("dfdcp", "dfdcp_root", ["dataset.json"]),
        ("deeperforensics_sources", "dfo_root", ["lists/splits/test.txt"]),
        ("dfd", "dfd_root", []),
        ("folder", "own_root", []),
    ],
)
def test_the_list_files_of_each(
    name: str, fixture: str, lists: list[str], request: pytest.FixtureRequest
) -> None:
    spec = next(one for one in SPECS if one.name == name)
    root = request.getfixturevalue(fixture)
    index = load_object(spec.build)(root, compression=None).index()  # type: ignore[operator]
    assert list(index.lists) == [root / one for one in lists]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_root_that_cannot_be_looked_at_is_an_error_with_its_reason(
    spec: DatasetSpec, tmp_path: Path
) -> None:
    root = tmp_path / ("x" * 300)
    dataset = load_object(spec.build)(root, compression=None, **({"roots": {}} if spec.needs else {}))  # type: ignore[operator]
    with pytest.raises(LayoutError, match=f"{root}, cannot be used: File name too long"):
        dataset.index()


def test_the_lists_of_deeperforensics_are_its_own_and_those_of_ffpp(dfo_root: Path, ffpp_root: Path) -> None:
    index = DeeperForensics(dfo_root, compression=None, roots={"ffpp": ffpp_root}).index()
    assert [path.name for path in index.lists] == [
        *("train.txt", "val.txt", "test.txt"),
        *("train.json", "val.json", "test.json"),
    ]


def test_a_training_file_of_celeb_df_leaves_the_hash_of_its_test_split(celeb_root: Path) -> None:
    def identity() -> tuple[str, str, object]:
        index = CelebDF(celeb_root, compression=None).index()
        inventory = take_stock(next(one for one in SPECS if one.name == "celeb_df_v2"), celeb_root, index)
        hashes = {row.split: row.split_hash for row in inventory.rows}
        return hashes["test"], hashes["train"], inventory.lists

    before = identity()
    (celeb_root / "Celeb-real/id3_0004.mp4").unlink()
    after = identity()
    assert (before[0], before[2]) == (after[0], after[2])
    assert before[1] != after[1]


def test_official_counts() -> None:
    official = {spec.name: spec.official for spec in SPECS}
    assert official["ffpp"]["test"] == Counts(140, 4 * 140)
    assert official["ffpp"]["train"] == Counts(720, 4 * 720)
    assert official["celeb_df_v2"]["test"] == Counts(178, 340)
    both = official["celeb_df_v2"]["train"], official["celeb_df_v2"]["test"]
    assert sum(one.real for one in both) == 590 + 300
    assert sum(one.fake for one in both) == 5639
    assert official["dfdc"]["test"] == Counts(2500, 2500)
    assert official["dfd"]["test"] == Counts(363, 3068)
    v1 = official["celeb_df_v1"]
    assert v1["train"].real + v1["test"].real == 158 + 250
    assert v1["train"].fake + v1["test"].fake == 795
    preview = official["dfdcp"]
    assert preview["train"].real + preview["test"].real == 1131
    assert preview["train"].fake + preview["test"].fake == 4119
    wild = official["wilddeepfake"]
    assert (wild["train"].real + wild["test"].real, wild["train"].fake + wild["test"].fake) == (3805, 3509)
    assert official["deeperforensics"]["test"] == Counts(140, 140)
    three = official["dfdc_3215"]["test"]
    assert three.real + three.fake == 3215


def test_importing_the_plugins_is_light() -> None:
    code = (
        "import sys, dfbench_plugins.datasets, dfbench_plugins.protocols; "
        "print(sorted({'torch', 'pandas', 'cv2', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
