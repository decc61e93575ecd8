"""`dfbench data show, prepare, status` on a small folder, through the real entry point."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.cli.command import Dfbench, frame, write
from tests.conftest import Install
from tests.photographs import encoded


@pytest.mark.slow
def test_show_draws_a_face_or_the_reason_for_none(dfbench: Dfbench, own: Path) -> None:
    face = encoded()
    write(own, {"real/a/1.png": face, "real/a/2.png": face})
    assert dfbench("data", "add", "folder", str(own)).code == 0
    ended = dfbench("data", "show", "folder", "--out", "sheets/own.png")
    assert ended.code == 0, ended.err
    assert ended.out == "sheets/own.png\n"
    with Image.open("sheets/own.png") as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    assert pixels.shape == (206, 2 * 172, 3)
    assert tuple(pixels[7, 7]) == (24, 128, 56)  # the frame of a real video
    assert tuple(pixels[7, 172 + 7]) == (178, 34, 34)
    assert pixels[30:120, 30:120].std() > 20  # a face
    assert tuple(pixels[30, 172 + 100]) == (225, 225, 225)  # no face in a flat frame: grey, with the status
    assert dfbench("data", "show", "folder", "--out", "sheets/own.JPG").code == 0
    with Image.open("sheets/own.JPG") as sheet:
        assert (sheet.format, sheet.size) == ("JPEG", (2 * 172, 206))
    prepared = dfbench("data", "prepare", "folder", "--detector", "chance")
    assert prepared.out.startswith("no_face\t1\nok\t1\nboxes\t"), prepared.err
    boxes = pd.read_parquet(prepared.out.splitlines()[-1].split("\t")[2])
    assert set(boxes["video_id"]) == {"real/a"}
    assert boxes.loc[boxes["cut"], "frame"].tolist() == [0, 1]
    assert boxes["landmarks"].isna().all()
    what = ("folder", "--detector", "fakestormer", "--for", "training")
    assert dfbench("data", "prepare", *what, "--shard", "1/2").out == "ok\t1\n"  # reals alone
    assert dfbench("data", "status", *what).out == "ok\t1\nframes with the face\t2 of 2\n"
    trained = dfbench("data", "prepare", *what)
    assert trained.out.startswith("ok\t1\nboxes\t"), trained.err
    marks = pd.read_parquet(trained.out.splitlines()[-1].split("\t")[2])
    assert {len(one) for one in marks.loc[marks["cut"], "landmarks"]} == {162}


@pytest.mark.slow
def test_prepare_by_shards_then_status_then_retry(dfbench: Dfbench, own: Path) -> None:
    assert dfbench("data", "add", "folder", str(own)).code == 0
    what = ("folder", "--detector", "chance")
    assert dfbench("data", "status", *what).out == "not prepared\t2\n"
    ended = dfbench("data", "prepare", *what, "--shard", "2/2")
    assert (ended.code, ended.out) == (1, "no_face\t1\n"), ended.err
    assert "none of the 1 videos could be prepared" in ended.err
    assert "dfbench data status folder --detector chance" in ended.err
    assert dfbench("data", "status", *what).out.startswith("no_face\t1\nnot prepared\t1\n")
    (failed,) = (row for row in json.loads(dfbench("data", "status", *what, "--json").out) if row["reason"])
    assert (failed["status"], failed["split"]) == ("no_face", "test")
    assert "no face" in failed["reason"]
    assert (
        dfbench("data", "prepare", *what, "--retry", "failed").out == "no_face\t1\n"
    )  # and not the other one
    assert dfbench("data", "prepare", *what).out == "no_face\t2\n"
    assert dfbench("data", "status", *what).out.startswith("no_face\t2\n")


@pytest.mark.slow
def test_two_projects_share_a_cache_and_no_faces(
    dfbench: Dfbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames of one size under one name; in A with a face."""
    face = encoded()
    flat = frame(7)
    flat += bytes(max(0, len(face) - len(flat)))
    for name, image in (("A", face), ("B", flat)):
        write(tmp_path / name, {"real/a/1.png": image, "real/a/2.png": image, "fake/b/1.png": frame(1)})

    def of(root: str, command: str, *more: str) -> str:
        monkeypatch.setenv("DFBENCH_DATA__ROOTS__FOLDER", str(tmp_path / root))
        return dfbench("data", command, "folder", "--detector", "chance", *more).out

    prepared = of("A", "prepare")
    assert prepared.startswith("no_face\t1\nok\t1\nboxes\t")
    table = Path(prepared.splitlines()[-1].split("\t")[2])
    boxes = table.read_bytes()
    assert of("B", "status").startswith("no_face\t1\nnot prepared\t1\n")  # the fake is the same in both
    assert of("B", "prepare") == "no_face\t2\n"
    assert of("A", "status").startswith("no_face\t1\nok\t1\n")
    assert table.read_bytes() == boxes
    (tmp_path / "A").rename(tmp_path / "moved")
    assert of("moved", "status", "--verify").startswith("no_face\t1\nok\t1\n")
    (tmp_path / "moved/real/a").rename(tmp_path / "kept")
    (tmp_path / "moved/real/a").symlink_to(tmp_path / "unmounted")
    write(tmp_path / "moved", {"videos.csv": b"path,label\nreal/a,real\nfake/b,fake\n"})
    told = {row["video"]: row for row in json.loads(of("moved", "status", "--json"))}
    assert told["real/a"]["status"] == "missing"
    assert "no such file" in told["real/a"]["reason"]


def test_prepare_says_that_there_is_nothing_to_do(dfbench: Dfbench, own: Path) -> None:
    assert dfbench("data", "add", "folder", str(own)).code == 0
    what = ("folder", "--detector", "chance")
    ended = dfbench("data", "prepare", *what, "--shard", "3/3")
    assert (ended.code, ended.out) == (0, "nothing to do: share 3/3 of 2 videos is empty\n"), ended.err
    ended = dfbench("data", "prepare", *what, "--retry", "failed")
    told = "nothing to retry: 2 of 2 videos are not prepared yet, none failed\n"
    assert (ended.code, ended.out) == (0, told), ended.err


@pytest.mark.usefixtures("probe")
def test_status_names_faces_that_were_made_otherwise(dfbench: Dfbench, own: Path) -> None:
    assert dfbench("data", "add", "folder", own).code == 0
    what = ("folder", "--detector", "probe_net")
    beside = "of these videos, made otherwise, lie beside in "
    assert dfbench("data", "prepare", *what).out.startswith("ok\t2\n")
    there = dfbench("data", "status", *what)
    assert (there.out, beside in there.err) == ("ok\t2\nframes with the face\t2 of 2\n", False)
    other = dfbench("data", "status", *what, DFBENCH_FACE_FINDER="mtcnn")
    assert other.out == "not prepared\t2\n"
    told = " ".join(other.err.split())
    assert f"2 face files {beside}" in told
    assert "finder is probe_finder, not mtcnn" in told


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--shard", "0/4", "'0/4' is no shard"),
        ("--retry", "everything", "--retry failed"),
        ("--video-seconds", "0", "video_seconds"),
        ("--for", "training", "cannot be trained"),
        ("--for", "fun", "use scoring, training or validation"),
        ("--recipe", "demo", "cannot be trained, and has no recipe"),
        ("--scheduler", "nowhere:x", "nowhere:x is no address of a scheduler"),
    ],
)
def test_prepare_says_what_is_wrong(dfbench: Dfbench, own: Path, option: str, value: str, words: str) -> None:
    assert dfbench("data", "add", "folder", str(own)).code == 0
    ended = dfbench("data", "prepare", "folder", "--detector", "chance", option, value)
    assert (ended.code, words in ended.err) == (2, True), ended.err


@pytest.mark.parametrize("name", ["faces.gif", "faces"])
def test_show_writes_what_the_suffix_says_or_refuses(dfbench: Dfbench, own: Path, name: str) -> None:
    assert dfbench("data", "add", "folder", str(own)).code == 0
    ended = dfbench("data", "show", "folder", "--out", name)
    assert (ended.code, Path(name).exists()) == (2, False)
    assert f"--out {name}: a contact sheet is a PNG or a JPEG" in ended.err


def test_every_preparation_goes_to_the_scheduler_of_the_settings(
    dfbench: Dfbench, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dfbench.data.preparing.executor.CONNECT_SECONDS", 0.3)
    monkeypatch.setenv("DFBENCH_SCHEDULER", "tcp://127.0.0.1:9")
    assert dfbench("data", "add", "folder", str(own)).code == 0
    ended = dfbench("data", "show", "folder")
    assert (ended.code, "no dask scheduler answers at tcp://127.0.0.1:9" in ended.err) == (1, True), ended.err


def test_only_what_finds_faces_needs_the_face_finder(
    dfbench: Dfbench, own: Path, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(
        "broken_finder",
        "from dfbench import FaceFinderSpec, hookimpl\n"
        "@hookimpl\ndef dfbench_face_finders():\n"
        "    return [FaceFinderSpec(name='broken', summary='.', build='not_installed_anywhere:Finder')]\n",
    )
    monkeypatch.setenv("DFBENCH_FACE_FINDER", "broken")
    assert dfbench("data", "add", "folder", str(own)).code == 0
    what = ("folder", "--detector", "chance")
    assert dfbench("data", "status", *what).out == "not prepared\t2\n"
    assert dfbench("data", "check", "folder").code == 0
    ended = dfbench("data", "prepare", *what)
    assert ended.code == 1
    assert "not_installed_anywhere" in ended.err
