from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import av
import pytest
from tests.conftest import DEMO_SEED as SEED

from dfbench_plugins.demo import dfbench_corpora
from dfbench_plugins.demo.plan import FFPP_METHODS, Job, plan


def _stems(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.mp4")}


def test_spec_offers_the_demo_corpora() -> None:
    (spec,) = dfbench_corpora()
    assert spec.name == "demo"
    assert spec.build == "dfbench_plugins.demo.corpora:write"
    assert spec.sizes == ("full", "small")


def test_ffpp_follows_its_split_lists(demo_roots: Mapping[str, Path]) -> None:
    root = demo_roots["ffpp"]
    reals, fakes = set(), set()
    sizes = {}
    for split in ("train", "val", "test"):
        pairs = json.loads((root / "splits" / f"{split}.json").read_text())
        sizes[split] = len(pairs)
        for a, b in pairs:
            assert re.fullmatch(r"\d{3}", a)
            reals |= {a, b}
            fakes |= {f"{a}_{b}", f"{b}_{a}"}
    assert sizes == {"train": 4, "val": 2, "test": 2}
    assert _stems(root / "original_sequences/youtube/c23/videos") == reals
    assert len(reals) == 16
    for method in FFPP_METHODS:
        assert _stems(root / "manipulated_sequences" / method / "c23/videos") == fakes
        assert _stems(root / "manipulated_sequences" / method / "masks/videos") == fakes


def test_celeb_list_has_ones_for_real_and_no_last_newline(demo_roots: Mapping[str, Path]) -> None:
    root = demo_roots["celeb_df_v2"]
    text = (root / "List_of_testing_videos.txt").read_text()
    assert not text.endswith("\n")
    entries = [line.split(" ") for line in text.split("\n")]
    assert Counter(label for label, _ in entries) == {"1": 4, "0": 4}
    for label, name in entries:
        assert (label == "0") == name.startswith("Celeb-synthesis/")
        assert re.fullmatch(
            r"Celeb-real/id\d+_\d{4}\.mp4|YouTube-real/\d{5}\.mp4|Celeb-synthesis/id\d+_id\d+_\d{4}\.mp4",
            name,
        )
        assert (root / name).is_file()


def test_dfdc_labels_name_every_file(demo_roots: Mapping[str, Path]) -> None:
    root = demo_roots["dfdc"] / "test"
    with (root / "labels.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert {row["filename"] for row in rows} == {path.name for path in root.glob("*.mp4")}
    assert Counter(row["label"] for row in rows) == {"0": 4, "1": 4}


def test_dfd_names_say_actor_scene_and_source(demo_roots: Mapping[str, Path]) -> None:
    root = demo_roots["dfd"]
    fakes = _stems(root / "manipulated_sequences/DeepFakeDetection/c23/videos")
    reals = _stems(root / "original_sequences/actors/c23/videos")
    assert len(reals) == len(fakes) == 4
    assert _stems(root / "manipulated_sequences/DeepFakeDetection/masks/videos") == fakes
    for name in fakes:
        found = re.fullmatch(r"(\d\d)_(\d\d)__([a-z_]+)__([A-Z0-9]{8})", name)
        assert found is not None
        assert f"{found[1]}__{found[3]}" in reals


def test_cards_hold_the_counts(demo_roots: Mapping[str, Path]) -> None:
    for corpus, root in demo_roots.items():
        card = json.loads((root / "dfbench-corpus.json").read_text())
        assert (card["corpus"], card["seed"], card["size"]) == ("demo", SEED, "small")
        expected = {"test": {"real": 4, "fake": 4}}
        if corpus == "ffpp":
            expected = {
                "train": {"real": 8, "fake": 32},
                "val": {"real": 4, "fake": 16},
                "test": {"real": 4, "fake": 16},
            }
        assert card["official"] == expected


def test_every_video_decodes_with_the_planned_frames(demo_roots: Mapping[str, Path]) -> None:
    for job in plan("small", seed=SEED):
        for shot in job.shots:
            for cut in shot.cuts:
                for path in (cut.path, cut.mask):
                    if path is not None:
                        with av.open(str(demo_roots[job.corpus] / path)) as container:
                            assert sum(1 for _ in container.decode(video=0)) == cut.frames


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_identities_cross_neither_corpora_nor_splits(seed: int) -> None:
    home: dict[object, tuple[str, str]] = {}
    for job in plan("full", seed=seed):
        for shot in job.shots:
            for key in shot.people:
                assert home.setdefault(key, (job.corpus, job.split)) == (job.corpus, job.split)


def _identities(jobs: list[Job], *, fake: bool) -> set[object]:
    return {
        shot.people[0] for job in jobs for shot in job.shots for cut in shot.cuts if bool(cut.method) == fake
    }


def test_full_test_corpora_hold_forty_identities_of_each_class() -> None:
    jobs = plan("full", seed=0)
    for corpus in ("celeb_df_v2", "dfdc", "dfd"):
        own = [job for job in jobs if job.corpus == corpus]
        assert len(_identities(own, fake=False)) >= 40
        assert len(_identities(own, fake=True)) >= 40


def test_paths_of_a_plan_are_unique() -> None:
    for size in ("full", "small"):
        paths = [
            (job.corpus, cut.path) for job in plan(size, seed=5) for shot in job.shots for cut in shot.cuts
        ]
        assert len(paths) == len(set(paths))
