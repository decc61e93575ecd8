from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from tests.conftest import DEMO_SEED as SEED

from dfbench import StoreError, UsageError
from dfbench.progress import SilentProgress
from dfbench_plugins.demo import corpora
from dfbench_plugins.demo.corpora import MARK, render_job, write
from dfbench_plugins.demo.layouts import ROOTS
from dfbench_plugins.demo.plan import plan


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("corpus", ["ffpp", "dfd"])
def test_same_seed_gives_the_same_bytes(demo_folder: Path, tmp_path: Path, corpus: str) -> None:
    job = next(job for job in plan("small", seed=SEED) if job.corpus == corpus)
    written = render_job(job, tmp_path)
    again = _digests(tmp_path)
    known = _digests(demo_folder / ROOTS[corpus])
    assert written == sum(cut.frames for shot in job.shots for cut in shot.cuts)
    assert again
    assert again == {name: known[name] for name in again}


@pytest.mark.slow
def test_other_seed_gives_other_people(tmp_path: Path) -> None:
    first, second = (next(job for job in plan("small", seed=seed) if job.corpus == "dfdc") for seed in (1, 2))
    render_job(first, tmp_path / "1")
    render_job(second, tmp_path / "2")
    assert not set(_digests(tmp_path / "1").values()) & set(_digests(tmp_path / "2").values())


def test_what_was_deleted_is_written_again_to_the_byte(demo_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    shutil.copytree(demo_folder, folder)
    before = _digests(folder)
    mark = folder / MARK
    mark.write_text(json.dumps({**json.loads(mark.read_text()), "complete": False}))
    celeb = folder / ROOTS["celeb_df_v2"]
    next((celeb / "Celeb-synthesis").glob("*.mp4")).unlink()
    (celeb / "List_of_testing_videos.txt").unlink()
    (folder / ROOTS["dfd"] / "dfbench-corpus.json").unlink()
    write(folder, size="small", seed=SEED, progress=SilentProgress())
    assert _digests(folder) == before


def test_complete_corpora_are_taken_as_they_are(demo_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpora, "plan", None)  # whatever begins to look at single files would fail
    roots = write(demo_folder, size="small", seed=SEED, progress=SilentProgress())
    assert set(roots) == {"ffpp", "celeb_df_v2", "dfdc", "dfd"}
    assert all(root.is_dir() for root in roots.values())


def test_corpora_of_another_seed_are_not_mixed(demo_folder: Path) -> None:
    with pytest.raises(StoreError, match="made otherwise"):
        write(demo_folder, size="small", seed=SEED + 1, progress=SilentProgress())


def test_unknown_size_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no demo size 'huge'"):
        write(tmp_path, size="huge", seed=0, progress=SilentProgress())


def test_no_draft_is_left_behind(demo_folder: Path) -> None:
    assert not list(demo_folder.rglob("*.part"))
