"""`dfbench data list, check, add` on small folders, through the real entry point."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from tests.cli.command import Dfbench, frame, write
from tests.data.unprivileged import obeying

from dfbench.data.datasets.contact_sheet import TILE
from dfbench.settings import load_settings


@pytest.fixture
def dfdc(tmp_path: Path) -> Path:
    """A test set of two videos, not 5,000."""
    return write(
        tmp_path / "DFDC", {"test/labels.csv": b"x.mp4,1\ny.mp4,0", "test/x.mp4": b"v", "test/y.mp4": b"v"}
    )


def state_of(dfbench: Dfbench, name: str, *options: str) -> dict[str, str]:
    ended = dfbench("data", "list", "--json", *options)
    assert ended.code == 0, ended.err
    return next(row for row in json.loads(ended.out) if row["dataset"] == name)


def test_add_checks_and_writes_the_root(dfbench: Dfbench, own: Path) -> None:
    ended = dfbench("data", "add", "own", str(own))
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[-2:] == ["complete", f"dfbench.toml: folder = {own}"]
    assert load_settings().data.roots == {"folder": own}
    assert state_of(dfbench, "folder")["state"] == "complete"


@pytest.fixture
def unreadable(own: Path, tmp_path: Path) -> Iterator[dict[str, tuple[Path, str]]]:
    """Roots that raise where one looks, by the dataset that they are given to, each with the reason; and a sound one."""
    (tmp_path / "closed/inside").mkdir(parents=True)
    (tmp_path / "closed").chmod(0)
    yield {
        "celeb_df_v2": (tmp_path / "closed", "Permission denied"),
        "dfdc": (tmp_path / "closed/inside", "Permission denied"),
        "dfdcp": (tmp_path / ("long" * 75), "File name too long"),
        "folder": (own, ""),
    }
    (tmp_path / "closed").chmod(0o755)


def test_roots_that_cannot_be_looked_at_take_nothing_else_down(
    dfbench: Dfbench, unreadable: dict[str, tuple[Path, str]]
) -> None:
    lines = [f'{name} = "{root}"' for name, (root, _) in unreadable.items()]
    Path("dfbench.toml").write_text("\n".join(["[data.roots]", *lines]))
    listed = obeying(lambda: dfbench("data", "list"))
    assert listed.code == 0, listed.err
    findings = obeying(lambda: dfbench("doctor"))
    for name, (root, reason) in unreadable.items():
        if reason:
            assert f"{name}: MISSING: {reason}" in listed.out
            assert f"broken  data {name}: {root}: {reason}" in findings.out
            assert obeying(lambda name=name: dfbench("data", "check", name)).err.count(reason) == 1  # type: ignore[misc]
    assert state_of(dfbench, "folder")["state"] == "complete"
    assert f"ok      data folder: {unreadable['folder'][0]}" in findings.out


def test_a_folder_within_a_root_that_may_not_be_entered_is_named(dfbench: Dfbench, tmp_path: Path) -> None:
    closed = tmp_path / "FF/original_sequences/youtube/c23"
    (closed / "videos").mkdir(parents=True)
    closed.chmod(0)
    ended = obeying(lambda: dfbench("data", "check", "ffpp", "--root", str(tmp_path / "FF")))
    closed.chmod(0o755)
    assert ended.code == 1
    words = f"ffpp at {tmp_path / 'FF'} cannot be read: {closed / 'videos'}: Permission denied"
    assert words in " ".join(ended.err.split())


@pytest.fixture
def ffpp(tmp_path: Path) -> Path:
    """A pair of test videos as raw, c23 and c40, of which c40 lacks one; and DFD as c40 alone."""
    files = {f"splits/{split}.json": b"[]" for split in ("train", "val")}
    files["splits/test.json"] = b'[["953", "974"]]'
    for compression in ("raw", "c23", "c40"):
        for name in ("953", "974"):
            files[f"original_sequences/youtube/{compression}/videos/{name}.mp4"] = b"v"
        for method in ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures"):
            for name in ("953_974", "974_953"):
                files[f"manipulated_sequences/{method}/{compression}/videos/{name}.mp4"] = b"v"
    del files["original_sequences/youtube/c40/videos/974.mp4"]
    files["original_sequences/actors/c40/videos/02__kitchen_still.mp4"] = b"v"
    files["dfbench-corpus.json"] = b'{"corpus": "pair", "official": {"test": {"real": 2, "fake": 8}}}'
    return write(tmp_path / "FF", files)


def without(root: Path, compression: str) -> None:
    for folder in list(root.glob(f"*/*/{compression}")):
        shutil.rmtree(folder)


def test_each_compression_on_disk_is_listed_and_checked(dfbench: Dfbench, ffpp: Path) -> None:
    assert dfbench("data", "add", "ffpp", str(ffpp)).code == 0
    listed = json.loads(dfbench("data", "list", "--json").out)
    states = {(one["dataset"], one["compression"]): one["state"] for one in listed if one["root"]}
    assert states == {
        ("ffpp", "c23"): "complete",
        ("ffpp", "c40"): "INCOMPLETE",
        ("ffpp", "raw"): "complete",
        ("dfd", "c40"): "INCOMPLETE",
    }
    text = dfbench("data", "list").out
    assert all(name in text for name in ("ffpp (c23)", "ffpp (c40)", "ffpp (raw)", "dfd (c40)"))
    ended = dfbench("data", "check", "ffpp", "--json")
    content = json.loads(ended.out)
    others = content["other_compressions"]
    assert [one["compression"] for one in (content, *others)] == ["c23", "c40", "raw"]
    assert [one["complete"] for one in (content, *others)] == [True, False, True]
    assert others[0]["missing"] == ["original_sequences/youtube/c40/videos/974.mp4"]
    assert ended.code == 1
    text = dfbench("data", "check", "ffpp").out
    assert text.count("FaceForensics++ in") == 3
    assert f"in {ffpp} (compression: raw, corpus: pair)" in text
    every = json.loads(dfbench("data", "check", "--json").out)
    assert [(one["dataset"], one["compression"]) for one in every] == [
        ("dfd", "c40"),
        *(("ffpp", one) for one in ("c23", "c40", "raw")),
    ]


def test_one_compression_by_either_name(dfbench: Dfbench, ffpp: Path) -> None:
    for name in ("raw", "c0"):
        ended = dfbench("data", "check", "ffpp", "--root", str(ffpp), "--compression", name, "--json")
        content = json.loads(ended.out)
        assert (ended.code, content["compression"], content["other_compressions"]) == (0, "raw", [])


def test_a_copy_without_c23_is_added_and_listed(dfbench: Dfbench, ffpp: Path) -> None:
    without(ffpp, "c23")
    ended = dfbench("data", "add", "ffpp", str(ffpp), "--compression", "c23")
    assert ended.code == 1
    assert "holds no c23 videos of ffpp (there are videos in: c40, raw)" in " ".join(ended.err.split())
    assert dfbench("data", "add", "dfd", str(ffpp), "--compression", "c40").code == 0
    assert dfbench("data", "add", "ffpp", str(ffpp)).code == 0
    assert load_settings().data.roots == {"dfd": ffpp, "ffpp": ffpp}
    listed = json.loads(dfbench("data", "list", "--json").out)
    assert [(one["dataset"], one["compression"], one["state"]) for one in listed if one["root"]] == [
        ("dfd", "c40", "INCOMPLETE"),
        ("ffpp", "c40", "INCOMPLETE"),
        ("ffpp", "raw", "complete"),
    ]


def test_a_copy_without_any_compression_is_refused_once(dfbench: Dfbench, ffpp: Path) -> None:
    for compression in ("raw", "c23", "c40"):
        without(ffpp, compression)
    ended = dfbench("data", "add", "ffpp", str(ffpp))
    assert ended.code == 1
    assert "holds no c23 videos of ffpp (nor in any other compression)" in " ".join(ended.err.split())
    assert not Path("dfbench.toml").exists()


def test_one_compression_may_be_broken(dfbench: Dfbench, ffpp: Path) -> None:
    (ffpp / "original_sequences/youtube/c40").chmod(0)
    ended = obeying(lambda: dfbench("data", "check", "ffpp", "--root", str(ffpp), "--json"))
    (ffpp / "original_sequences/youtube/c40").chmod(0o755)
    content = json.loads(ended.out)
    assert (ended.code, content["complete"]) == (1, True)
    broken, raw = content["other_compressions"]
    assert (broken["compression"], broken["state"], raw["complete"]) == ("c40", "BROKEN", True)
    assert "Permission denied" in broken["error"]


def test_add_stores_an_absolute_path_and_tells_what_it_replaces(
    dfbench: Dfbench, own: Path, tmp_path: Path
) -> None:
    assert dfbench("data", "add", "folder", own.name).code == 0
    assert load_settings().data.roots == {"folder": own}
    other = write(tmp_path / "other", {"real/c/1.png": frame(3)})
    assert dfbench("data", "add", "folder", str(other)).out.endswith(f"folder = {other} (it was {own})\n")


def test_add_refuses_what_is_not_the_dataset(dfbench: Dfbench, own: Path) -> None:
    ended = dfbench("data", "add", "celeb_df_v2", str(own))
    assert ended.code == 1
    assert "does not have the layout of celeb_df_v2" in ended.err
    assert not Path("dfbench.toml").exists()


def test_add_refuses_to_mix_corpora(dfbench: Dfbench, own: Path, dfdc: Path) -> None:
    assert dfbench("data", "add", "kodf", str(own)).code == 0
    (dfdc / "dfbench-corpus.json").write_text('{"corpus": "selection"}')
    ended = dfbench("data", "add", "dfdc", str(dfdc))
    assert ended.code == 2
    assert "different corpora: official, selection" in ended.err
    assert load_settings().data.roots == {"kodf": own}
    (dfdc / "dfbench-corpus.json").write_text('{"corpus": "Official"}')
    ended = dfbench("data", "add", "dfdc", str(dfdc))
    assert ended.code == 1
    assert "\"corpus\" is 'Official', the name of data without such a file" in ended.err


def test_own_videos_are_a_corpus_of_their_own_beside_any_other(
    dfbench: Dfbench, own: Path, dfdc: Path
) -> None:
    (dfdc / "dfbench-corpus.json").write_text('{"corpus": "selection"}')
    assert dfbench("data", "add", "dfdc", str(dfdc)).code == 0
    added = dfbench("data", "add", "folder", str(own))
    assert (added.code, "corpus: own)" in added.out) == (0, True)
    assert json.loads(dfbench("data", "check", "folder", "--json").out)["corpus"] == "own"
    (own / "dfbench-corpus.json").write_text('{"corpus": "holiday"}')
    assert "corpus: holiday)" in dfbench("data", "check", "folder").out


def test_add_tells_of_a_variable_that_beats_the_file(
    dfbench: Dfbench, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__FOLDER", "/elsewhere")
    ended = dfbench("data", "add", "folder", str(own))
    assert (ended.code, "DFBENCH_DATA__ROOTS__FOLDER is set and beats the file" in ended.err) == (0, True)


def test_list_tells_the_states_apart(dfbench: Dfbench, own: Path, dfdc: Path) -> None:
    roots = {"dfdc": dfdc, "folder": own, "celeb_df_v2": own, "dfd": "/nowhere"}
    lines = [f'{name} = "{root}"' for name, root in roots.items()]
    Path("dfbench.toml").write_text("\n".join(["[data.roots]", *lines]))
    ended = dfbench("data", "list", "--json")
    states = {row["dataset"]: row["state"] for row in json.loads(ended.out)}
    assert states["dfdc"] == "INCOMPLETE"
    assert states["folder"] == "complete"
    assert states["celeb_df_v2"] == "BROKEN"
    assert states["dfd"] == "MISSING"
    assert states["ffpp"] == states["dfdc_3215"] == "not configured"  # dfdc is there, the list is not
    assert state_of(dfbench, "dfdc", "--no-check")["state"] == "found"
    text = dfbench("data", "list")
    assert "celeb_df_v2: " in text.out
    assert "dfd: MISSING: no such folder" in text.out


def test_a_dataset_in_the_root_of_another_needs_no_root(dfbench: Dfbench, dfdc: Path) -> None:
    (dfdc / "dfdc_vids.txt").write_text("y.mp4")
    assert dfbench("data", "add", "dfdc", str(dfdc)).code == 0
    row = state_of(dfbench, "dfdc_3215")
    assert (row["state"], row["within"], row["root"]) == ("INCOMPLETE", "dfdc", str(dfdc))
    ended = dfbench("data", "check", "dfdc_3215", "--json")
    assert json.loads(ended.out)["splits"][0]["found"] == {"real": 1, "fake": 0}


def test_check_counts_and_says_what_to_do(dfbench: Dfbench, dfdc: Path) -> None:
    (dfdc / "test/x.mp4").unlink()
    ended = dfbench("data", "check", "dfdc", "--root", str(dfdc))
    assert ended.code == 1
    assert "    test/x.mp4" in ended.out
    assert "  to do: fetch the 1 missing files, or use another copy" in ended.out
    assert "restore the official lists; if a selection is meant, name it in dfbench-corpus.json" in ended.out


@pytest.mark.slow
def test_deep_check_decodes_and_compares(dfbench: Dfbench, own: Path) -> None:
    write(own, {"real/twin/1.png": frame(2), "fake/broken/1.png": b"no image"})
    assert dfbench("data", "check", "folder", "--root", str(own)).code == 0
    ended = dfbench("data", "check", "folder", "--root", str(own), "--deep", "--json")
    assert ended.code == 1
    content = json.loads(ended.out)
    assert content["complete"] is False
    assert content["inspection"]["videos"] == 4
    assert [one.split(": ")[0] for one in content["inspection"]["unreadable"]] == ["fake/broken"]
    assert content["inspection"]["conflicts"] == ["real/twin (test, real) = fake/b (test, fake)"]
    assert len(content["remedies"]) == 2
    text = dfbench("data", "check", "folder", "--root", str(own), "--deep").out
    assert "1 unreadable files:" in text
    assert "identical files under different labels or splits:" in text


def test_a_deep_check_of_a_sound_copy(dfbench: Dfbench, own: Path) -> None:
    ended = dfbench("data", "check", "folder", "--root", str(own), "--deep")
    assert (ended.code, "all files decoded (the first and last frame of each of 2)" in ended.out) == (0, True)


def test_check_of_all_that_is_configured(dfbench: Dfbench, own: Path, dfdc: Path) -> None:
    assert dfbench("data", "check").code == 2
    assert dfbench("data", "add", "folder", str(own)).code == 0
    assert dfbench("data", "check").code == 0
    assert dfbench("data", "add", "dfdc", str(dfdc)).code == 0
    ended = dfbench("data", "check", "--json")
    assert ended.code == 1
    assert [one["dataset"] for one in json.loads(ended.out)] == ["dfdc", "folder"]


def test_check_of_all_goes_on_behind_what_is_broken(dfbench: Dfbench, own: Path, dfdc: Path) -> None:
    (dfdc / "dfdc_vids.txt").write_text("y.mp4")
    roots = {"celeb_df_v2": own, "dfdc": dfdc, "dfdcp": "/nowhere", "folder": own}
    lines = [f'{name} = "{root}"' for name, root in roots.items()]
    Path("dfbench.toml").write_text("\n".join(["[data.roots]", *lines]))
    ended = dfbench("data", "check", "--json")
    assert ended.code == 1, ended.err
    found = {one["dataset"]: one for one in json.loads(ended.out)}
    assert list(found) == ["celeb_df_v2", "dfdc", "dfdc_3215", "dfdcp", "folder"]
    assert {name: one.get("state", "") for name, one in found.items() if "error" in one} == {
        "celeb_df_v2": "BROKEN",
        "dfdcp": "MISSING",
    }
    assert "does not have the layout of celeb_df_v2" in found["celeb_df_v2"]["error"]
    assert found["celeb_df_v2"]["remedies"]
    assert (found["dfdcp"]["error"], found["dfdcp"]["complete"]) == ("no such folder", False)
    assert found["dfdc_3215"]["splits"][0]["found"] == {"real": 1, "fake": 0}
    assert found["folder"]["complete"] is True
    text = dfbench("data", "check")
    assert text.code == 1
    blocks = [block.splitlines() for block in text.out.strip().split("\n\n")]
    assert [block[-1].split(":")[0] for block in blocks] == [
        *("BROKEN", "INCOMPLETE", "INCOMPLETE", "MISSING", "complete"),
    ]
    assert blocks[3][:2] == ["DFDC preview (DFDCP) in /nowhere", "  cannot be checked: no such folder"]


def test_an_alias_in_the_roots_is_the_dataset(dfbench: Dfbench, own: Path, dfdc: Path) -> None:
    Path("dfbench.toml").write_text(f'[data.roots]\nDFDC = "{dfdc}"\nOwn = "{own}"\n')
    assert state_of(dfbench, "dfdc")["state"] == "INCOMPLETE"
    assert state_of(dfbench, "folder")["state"] == "complete"
    assert [one["dataset"] for one in json.loads(dfbench("data", "check", "--json").out)] == [
        "dfdc",
        "folder",
    ]
    assert dfbench("data", "check", "folder").code == 0
    assert f"ok      data folder: {own}" in dfbench("doctor").out
    assert dfbench("data", "status", "folder", "-d", "chance").out == "not prepared\t2\n"
    assert dfbench("data", "add", "folder", str(dfdc.parent / "own videos")).code == 0
    assert load_settings().data.roots == {"DFDC": dfdc, "Own": own}


def test_a_name_in_the_roots_that_nobody_offers_is_told(dfbench: Dfbench, own: Path) -> None:
    Path("dfbench.toml").write_text(f'[data.roots]\nfoldr = "{own}"\n')
    words = ("no dataset is called 'foldr'", "did you mean 'folder'")
    for ended, code in (
        (dfbench("data", "list"), 0),
        (dfbench("data", "check"), 1),
        (dfbench("doctor"), 1),
        (dfbench("data", "status", "folder", "-d", "chance"), 2),
    ):
        assert ended.code == code
        assert all(one in " ".join((ended.out + ended.err).split()) for one in words)
    assert state_of(dfbench, "foldr")["state"] == "UNKNOWN"
    (entry,) = json.loads(dfbench("data", "check", "--json").out)
    assert (entry["dataset"], entry["state"], entry["complete"]) == ("foldr", "UNKNOWN", False)


def test_two_roots_of_one_dataset_are_told(dfbench: Dfbench, own: Path, dfdc: Path) -> None:
    Path("dfbench.toml").write_text(f'[data.roots]\nown = "{own}"\nfolder = "{own}"\n')
    assert state_of(dfbench, "folder")["state"] == "complete"
    other = write(dfdc.parent / "other", {"real/c/1.png": frame(3)})
    assert dfbench("data", "add", "folder", str(other)).code == 0
    assert load_settings().data.roots == {"own": other, "folder": other}
    Path("dfbench.toml").write_text(f'[data.roots]\nown = "{own}"\nfolder = "{dfdc}"\n')
    assert dfbench("data", "list").code == 2
    words = "[data.roots] gives folder two roots, as own and as folder"
    assert words in dfbench("data", "list").err
    assert f"broken  data: {words}" in dfbench("doctor").out


def test_check_of_a_split(dfbench: Dfbench, dfdc: Path) -> None:
    ended = dfbench("data", "check", "dfdc", "--root", str(dfdc), "--split", "train", "--json")
    assert ended.code == 1
    assert [one["part"] for one in json.loads(ended.out)["official"]] == ["train"]


def test_check_of_an_unknown_split(dfbench: Dfbench, own: Path, dfdc: Path) -> None:
    for name, root in (("folder", own), ("dfdc", dfdc)):
        ended = dfbench("data", "check", name, "--root", str(root), "--split", "tset")
        assert (ended.code, ended.out) == (2, "")
        assert f"no split 'tset' in {name}" in ended.err
        assert "did you mean 'test'?" in ended.err


def test_a_dataset_that_needs_another_says_so(dfbench: Dfbench, tmp_path: Path) -> None:
    (tmp_path / "DFo/end_to_end").mkdir(parents=True)
    ended = dfbench("data", "check", "deeperforensics", "--root", str(tmp_path / "DFo"))
    assert ended.code == 2
    assert "no root is configured for dataset 'ffpp'" in ended.err


def test_what_splits_of_own_videos_share_is_a_shortfall(dfbench: Dfbench, tmp_path: Path) -> None:
    files = {f"{name}/1.png": frame(value) for name, value in (("a", 1), ("b", 2), ("c", 1))}
    root = write(tmp_path / "own", files)
    rows = ["a,real,train,anna", "b,fake,test,anna", "c,real,test,carl"]
    (root / "videos.csv").write_text("\n".join(["path,label,split,group", *rows]))
    check = ("data", "check", "folder", "--root", root)
    ended = dfbench(*check)
    assert ended.code == 1
    assert "  1 leaks between splits:\n    1 group is in train and in test: anna\n" in ended.out
    assert "INCOMPLETE: numbers on it would mislead" in ended.out
    (root / "videos.csv").write_text(
        "\n".join(["path,label,split", *(row.rsplit(",", 1)[0] for row in rows)])
    )
    assert dfbench(*check).code == 0
    deep = dfbench(*check, "--deep")
    assert deep.code == 1
    assert "a (train, real) = c (test, real)" in deep.out


@pytest.mark.slow
def test_a_sheet_of_a_partial_copy_shows_what_is_there(dfbench: Dfbench, own: Path) -> None:
    lines = ["path,label", *(f"gone/{number}.mp4,fake" for number in range(40)), "real/a,real", "fake/b,fake"]
    (own / "videos.csv").write_text("\n".join(lines))
    assert dfbench("data", "add", "folder", own).code == 0
    ended = dfbench("data", "show", "folder", "--count", "4", "--out", "sheet.png")
    assert ended.code == 0, ended.err
    assert "2 of 42 videos are on disk: the sheet is of these" in ended.err
    with Image.open("sheet.png") as sheet:
        assert sheet.width == 2 * (TILE + 12)
