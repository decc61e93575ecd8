"""`dfbench explain --run` shows the person that the run scored, out of the very crops, wherever the dataset lies."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from tests.cli.command import Dfbench
from tests.cli.two_people import COUNT, FAKE, GONE, REAL, film, mask, noted, run_of, scene, write
from tests.conftest import Install


@pytest.fixture
def people(tmp_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch) -> Path:
    """DFD inside FaceForensics++'s root, which alone is configured: one real and one fake, with its mask."""
    return film(tmp_path, install, monkeypatch)


def explained(out: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    (folder,) = out.iterdir()
    with np.load(folder / "evidence.npz") as arrays:
        content = {name: arrays[name] for name in arrays.files}
    return json.loads((folder / "evidence.json").read_text(encoding="utf-8")), content


def side_of(arrays: dict[str, NDArray[Any]]) -> set[str]:
    """Whose face the boxes are about."""
    middle = (arrays["boxes"][:, 0] + arrays["boxes"][:, 2]) / 2
    return {"small" if one > 130 else "large" for one in middle}


@pytest.mark.slow
def test_what_is_explained_is_what_was_scored(people: Path, dfbench: Dfbench, tmp_path: Path) -> None:
    run = run_of(dfbench, tmp_path, "--seed", "3")
    scored = [batch for _, batch in noted("SCORED")]
    scores = pd.read_parquet(run / "scores.parquet")
    ids = list(dict.fromkeys(scores["video_id"]))
    for name, who, held in ((FAKE, "small", 5), (REAL, "large", 8)):
        (video_id,) = [one for one in ids if one.endswith(f"/{name}")]
        rows = scores[scores["video_id"] == video_id]
        out = tmp_path / f"out-{who}"
        ended = dfbench("explain", "--run", run.name, "--video", f"dfd/{video_id}", "--out", out)
        assert ended.code == 0, ended.err
        (seed, crops), *more = noted("EXPLAINED")
        assert (seed, more) == (3, [])
        np.testing.assert_array_equal(crops, scored[ids.index(video_id)])
        record, arrays = explained(out)
        assert side_of(arrays) == {who}
        np.testing.assert_array_equal(arrays["clip_frames"], np.stack([*rows["frames"]]))
        np.testing.assert_allclose(arrays["clip_logits"], rows["logit"])
        assert record["score"]["clips_as_scored"]
        assert record["score"]["frames_looked_at"] == 8
        assert record["score"]["frames_without_a_face"] == 8 - held
        assert record["score"]["probability"] == pytest.approx(record["facts"]["run_probability"])
        assert f"{record['facts']['run_probability']:.3f}" in ended.out
        assert "P(fake) was" not in ended.err
        with av.open(str(next(out.iterdir()) / "evidence.mp4")) as container:
            assert sum(1 for _ in container.decode(video=0)) == rows["frames"].str.len().sum()


def test_maps_are_measured_on_the_face_that_the_mask_marks(
    people: Path, dfbench: Dfbench, tmp_path: Path
) -> None:
    ended = dfbench("localisation", "-d", "watcher", "--dataset", "dfd", "--out", tmp_path / "tables")
    assert ended.code == 0, ended.err
    batches = [batch.reshape(-1, *batch.shape[2:])[:, 12:20, 12:20] for _, batch in noted("EXPLAINED")]
    red, green, _ = np.moveaxis(np.concatenate(batches).astype(float).mean(axis=(1, 2)), -1, 0)
    assert (green > red).sum() >= 8  # the fake's clips; the reals that are spliced to them show the main face
    where = pd.read_csv(tmp_path / "tables" / "where.csv")
    found = where[(where["map"] == "green") & (where["target"] == "mask")]["auc"]
    assert len(found) == 1
    assert (found > 0.95).all()  # the map is green where the mask is white


@pytest.mark.slow
def test_a_face_file_that_went_bad_is_told_and_the_other_evidence_is_measured(
    people: Path, dfbench: Dfbench, tmp_path: Path
) -> None:
    what = ("localisation", "-d", "watcher", "--dataset", "dfd", "--out", tmp_path / "tables")
    assert dfbench(*what).code == 0
    whole = pd.read_csv(tmp_path / "tables" / "where.csv")
    assert len(pd.read_csv(tmp_path / "tables" / "when.csv"))
    (file,) = [path for path in (tmp_path / "cache" / "faces").rglob("*.faces") if REAL in path.name]
    damage_a_crop(file)
    again = dfbench(*what)
    assert again.code == 0, again.err
    assert again.err.count(f"not used: dfd/actors/{REAL}: ") == 1
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "tables" / "where.csv"), whole)
    assert dfbench(*what).err.count("not used") == 0  # made anew


def test_nothing_can_be_compared_without_the_faces_of_the_fakes(
    people: Path, dfbench: Dfbench, tmp_path: Path
) -> None:
    what = ("localisation", "-d", "watcher", "--dataset", "dfd", "--out", tmp_path / "tables")
    assert dfbench(*what).code == 0
    (file,) = [path for path in (tmp_path / "cache" / "faces").rglob("*.faces") if FAKE in path.name]
    damage_a_crop(file)
    ended = dfbench(*what)
    assert ended.code == 1
    assert "no map could be compared with a mask" in ended.err
    assert f"/{FAKE}: " in ended.err
    gone = [path for path in people.rglob(f"{FAKE}.mp4") if "masks" in path.parts]
    gone[0].unlink()
    ended = dfbench(*what)
    assert "no fake of dfd in split 'test' has a mask video" in ended.err


def damage_a_crop(file: Path) -> None:
    """Overwrite bytes of the picture of a face in a face file, as a bad disk does; what is known of its track stays."""
    content = file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        picture = archive.read(next(name for name in archive.namelist() if name.endswith(".webp")))
    file.write_bytes(content.replace(picture, picture[:-9] + bytes(255 - byte for byte in picture[-9:])))


def test_weights_for_a_run_that_used_none_are_refused(people: Path, dfbench: Dfbench, tmp_path: Path) -> None:
    run = run_of(dfbench, tmp_path)
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"of something else")
    ended = dfbench("explain", "--run", run.name, "--video", f"actors/{REAL}", "--weights", weights)
    assert ended.code == 1
    told = " ".join(ended.err.split())
    assert f"{weights} is not what run {run.name} was scored with: it was scored without weights" in told


def test_seconds_without_end_are_refused(people: Path, dfbench: Dfbench) -> None:
    (path,) = [one for one in people.rglob(f"{REAL}.mp4") if "masks" not in one.parts]
    ended = dfbench("explain", path, "-d", "watcher", "--seconds", "inf")
    assert (ended.code, "inf is no number" in ended.err) == (2, True), ended.err
    ended = dfbench("explain", path, "-d", "watcher", "--start", "60")
    assert "lasts 6.4 s and cannot be explained from 60 s on" in " ".join(ended.err.split())


def test_in_how_many_frames_the_face_is_stands_in_status_scores_and_table(
    people: Path, dfbench: Dfbench, tmp_path: Path
) -> None:
    """The forged face is in five of the eight wanted frames of the fake."""
    run = run_of(dfbench, tmp_path)
    scores = pd.read_parquet(run / "scores.parquet").drop_duplicates("video_id").set_index("video_id")
    assert scores["face_frames"].to_dict() == {f"actors/{REAL}": 8, f"DeepFakeDetection/{FAKE}": 5}
    assert set(scores["wanted_frames"]) == {8}
    table = pd.read_parquet(run / "table.parquet")
    assert set(table["face_share"]) == {13 / 16}
    status = ("data", "status", "dfd", "--detector", "watcher")
    assert dfbench(*status).out == "ok\t2\nframes with the face\t13 of 16\n"
    rows = json.loads(dfbench(*status, "--json").out)
    assert [(row["face_frames"], row["wanted_frames"]) for row in rows] == [(8, 8), (5, 8)]


@pytest.mark.slow
def test_a_part_of_a_scored_video_is_explained_for_the_same_person(
    people: Path, dfbench: Dfbench, tmp_path: Path
) -> None:
    run = run_of(dfbench, tmp_path)
    video = f"DeepFakeDetection/{FAKE}"
    out = tmp_path / "out"
    asked = ("explain", "--run", run.name, "--video", video, "--out", out)
    ended = dfbench(*asked, "--start", "3.2", "--seconds", "1.6")
    assert ended.code == 0, ended.err
    record, arrays = explained(out)
    assert side_of(arrays) == {"small"}
    assert arrays["frame_indices"].tolist() == list(range(80, GONE))
    assert not record["score"]["clips_as_scored"]
    assert record["score"]["frames_looked_at"] == 40
    assert record["score"]["frames_without_a_face"] == 24
    ended = dfbench(*asked, "--start", "4.4")  # she has left
    assert ended.code == 3
    assert "the face that is scored is not in any of 50 frames" in ended.err


@pytest.mark.slow
def test_what_is_explained_of_a_file_is_what_is_predicted(
    people: Path, dfbench: Dfbench, tmp_path: Path
) -> None:
    (path,) = [one for one in people.rglob(f"{FAKE}.mp4") if "masks" not in one.parts]
    told = dfbench("predict", path, "-d", "watcher", "--json")
    (row,) = json.loads(told.out)
    ((_, scored),) = noted("SCORED")
    ended = dfbench("explain", path, "-d", "watcher", "--out", tmp_path / "out")
    assert ended.code == 0, ended.err
    assert "faces of files" not in ended.err  # they are in the store
    ((_, crops),) = noted("EXPLAINED")
    np.testing.assert_array_equal(crops, scored)
    record, arrays = explained(tmp_path / "out")
    assert side_of(arrays) == {"large"}  # nobody who explains a file has its mask
    assert record["score"]["clips_as_scored"]
    assert (record["score"]["logit"], record["score"]["probability"]) == (row["logit"], row["probability"])


@pytest.mark.slow
def test_the_main_face_of_a_file_is_searched_for_in_all_of_it(
    people: Path, dfbench: Dfbench, tmp_path: Path
) -> None:
    path = tmp_path / "alone.mp4"
    write(path, [scene(t) if t < GONE else np.full((140, 220, 3), 40, np.uint8) for t in range(COUNT - 1)])
    ended = dfbench("explain", path, "-d", "watcher", "--start", "0", "--out", tmp_path / "out")
    assert ended.code == 0, ended.err
    record, arrays = explained(tmp_path / "out")
    assert side_of(arrays) == {"large"}
    assert (record["score"]["frames_looked_at"], record["score"]["frames_without_a_face"]) == (159, 63)


@pytest.mark.parametrize(
    ("part", "field", "other", "said"),
    [
        ("prepare", "finder_version", "0", "faces are found in another way now"),
        ("clips", "cropping", 0, "clips are cut in another way now"),
    ],
)
def test_what_cannot_be_had_as_the_run_had_it_is_not_explained(
    people: Path, dfbench: Dfbench, tmp_path: Path, part: str, field: str, other: object, said: str
) -> None:
    run = run_of(dfbench, tmp_path)
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    changed = {**record, part: {**record[part], field: other}}
    (run / "run.json").write_text(json.dumps(changed), encoding="utf-8")
    ended = dfbench("explain", "--run", run.name, "--video", f"actors/{REAL}")
    assert ended.code == 1
    assert said in ended.err
    assert "run again" in ended.err


@pytest.mark.slow
def test_another_score_than_that_of_the_run_is_told(people: Path, dfbench: Dfbench, tmp_path: Path) -> None:
    run = run_of(dfbench, tmp_path)
    scores = pq.read_table(run / "scores.parquet")
    column = scores.schema.get_field_index("logit")
    scores = scores.set_column(column, "logit", pc.add(scores["logit"], 2.0))
    pq.write_table(scores, run / "scores.parquet")
    ended = dfbench("explain", "--run", run.name, "--video", f"actors/{REAL}")
    assert ended.code == 0, ended.err
    assert "in the run; the detector, its precision or the device is not" in " ".join(ended.err.split())


@pytest.mark.slow
def test_a_video_that_is_gone_or_another_is_not_explained_as_the_one_that_was_scored(
    people: Path, dfbench: Dfbench, tmp_path: Path
) -> None:
    run = run_of(dfbench, tmp_path)
    fakes = people / "manipulated_sequences/DeepFakeDetection"
    path, its_mask = fakes / "c23/videos" / f"{FAKE}.mp4", fakes / "masks/videos" / f"{FAKE}.mp4"
    asked = ("explain", "--run", run.name, "--video", f"DeepFakeDetection/{FAKE}")
    kept, kept_mask = path.read_bytes(), its_mask.read_bytes()
    write(its_mask, [mask(0)] * COUNT)
    ended = dfbench(*asked)
    assert (ended.code, "its mask is not the one that it had" in ended.err) == (3, True), ended.err
    its_mask.write_bytes(kept_mask)
    write(path, [scene(0)] * COUNT)
    ended = dfbench(*asked)
    assert (ended.code, f"{path}: its file is not the one" in " ".join(ended.err.split())) == (3, True), (
        ended.err
    )
    assert noted("EXPLAINED") == []
    path.unlink()
    path.symlink_to(tmp_path / "unmounted.mp4")
    ended = dfbench(*asked)
    assert (ended.code, "missing: " in ended.err) == (3, True), ended.err
    path.unlink()
    path.write_bytes(kept)
    assert dfbench(*asked).code == 0
