"""`dfbench explain` and `dfbench localisation` through the real entry point."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.cli.command import Dfbench
from tests.fakestormer.training_faces import write_network as write_weights

from dfbench.results.evidence.pictures import BAR, EDGE
from dfbench.results.evidence.video import SIDE
from dfbench.runs.records.score_table import video_scores
from dfbench.training.weights_file import WeightsHeader as Header
from dfbench_fakestormer.method import network_config
from dfbench_fakestormer.model import FakeSTormerNet
from dfbench_fakestormer.recipe import load_recipe

SMALL = load_recipe(
    "demo", {"size": "32", "patch": "16", "width": "24", "depth": "2", "heads": "2", "train_crop": "48"}
)
FILES = {"evidence.mp4", "sheet.png", "timeline.png", "evidence.json", "evidence.npz"}


TRAINED = {"identity": {"corpus": "demo-small", "seed": 4}}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    net = FakeSTormerNet(network_config(SMALL), seed=2)
    write_weights(path, net.state_dict(), Header(SMALL, ("ffpp",), "c23", TRAINED))
    return path


@pytest.fixture
def faceless(tmp_path: Path) -> Path:
    path = tmp_path / "faceless.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 128
        stream.pix_fmt = "yuv420p"
        for _ in range(6):
            grey = np.full((128, 128, 3), 90, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.slow
def test_videos_are_explained_and_those_that_cannot_be_are_named(
    dfbench: Dfbench, face_video: Path, faceless: Path, weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    asked = (faceless, tmp_path / "absent.mp4", face_video)
    options = ("--weights", weights, "--out", out, "--start", "0.2", "--seconds", "0.32")
    first = dfbench("explain", *asked, *options)
    assert first.code == 3, first.err
    assert "2 of 3 videos could not be explained: faceless.mp4 (no_face), absent.mp4 (missing)" in first.err
    (folder,) = out.iterdir()
    assert {path.name for path in folder.iterdir()} == FILES
    assert str(folder) in first.out
    record = json.loads((folder / "evidence.json").read_text(encoding="utf-8"))
    with np.load(folder / "evidence.npz") as arrays:
        np.testing.assert_array_equal(arrays["frame_indices"], np.arange(5, 13))
        assert arrays["map_heatmap"].shape == arrays["map_temporal"].shape == (8, 2, 2)
        assert arrays["map_pixels"].shape == (8, 32, 32)
        assert arrays["boxes"].shape == (8, 4)
        np.testing.assert_allclose(arrays["clip_logits"].mean(), record["score"]["logit"], rtol=1e-6)
    warning = (
        "these weights were trained on rendered faces of the demo-small corpus: "
        "the probability says nothing about real videos"
    )
    assert record["training"] == {
        "trained_on": ["ffpp"],
        "training_corpora": ["demo-small"],
        "training_seed": 4,
        "warning": warning,
    }
    assert first.err.count(f"*** fakestormer: {warning}") == 1
    assert record["environment"]["device"] == "cpu"
    assert record["environment"]["threads"] == 1
    assert (record["shown"], record["shown_beside"]) == ("heatmap", ["temporal"])
    assert [name for name, one in record["maps"].items() if one["temporal"]] == ["temporal"]
    for frame in record["frames"]:
        x0, y0, x1, y1 = frame["box"]
        assert x0 < frame["peak"][0] < x1
        assert y0 < frame["peak"][1] < y1
        assert 0 <= frame["frame_probability"] <= 1
    assert x0 < 158 < x1  # the face is about the middle of the picture
    with av.open(str(folder / "evidence.mp4")) as container:
        stream = container.streams.video[0]
        assert float(stream.average_rate) == 25
        assert stream.width == 3 * SIDE + 4 * EDGE + BAR
        assert sum(1 for _ in container.decode(stream)) == 8
    for name in ("sheet.png", "timeline.png"):
        assert np.asarray(Image.open(folder / name)).std() > 10
    stamp = (folder / "evidence.json").stat().st_mtime_ns
    second = dfbench("explain", face_video, *options)
    assert second.code == 0, second.err
    assert "nothing to compute" in second.err
    assert (folder / "evidence.json").stat().st_mtime_ns == stamp


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--map", "heatmpa"), 2, "did you mean 'heatmap'"),
        (("--detector", "chance"), 2, "cannot explain itself"),
        (("--run", "some-run"), 2, "--run and --video go together"),
        (("--weights", "nowhere.safetensors"), 1, "no such weights file"),
    ],
)
def test_wrong_requests_say_the_way_out(
    dfbench: Dfbench, arguments: tuple[str, ...], code: int, said: str, weights: Path, face_video: Path
) -> None:
    given = () if "--weights" in arguments or "chance" in arguments else ("--weights", weights)
    ended = dfbench("explain", face_video, *given, *arguments)
    assert ended.code == code, ended.err
    assert said in ended.err
    assert "Traceback" not in ended.err


def test_neither_video_nor_run_is_a_usage_error(dfbench: Dfbench) -> None:
    ended = dfbench("explain")
    assert ended.code == 2
    assert "name either video files or videos of a run" in ended.err


def test_localisation_and_a_video_of_a_run_on_the_small_demo_corpora(
    on_demo: Dfbench, demo_folder: Path, tmp_path: Path
) -> None:
    untrained = ("--detector", "fakestormer-untrained", "--data", "demo", "--size", "small")
    out = tmp_path / "tables"
    maps = ("--map", "heatmap", "--map", "temporal")
    ended = on_demo("localisation", *untrained, "--limit", "3", *maps, "--out", out)
    assert ended.code == 0, ended.err
    where = pd.read_csv(out / "where.csv")
    assert set(where["dataset"]) == {"ffpp", "dfd"}
    assert set(where["map"]) >= {"heatmap", "temporal", "centre prior"}
    for column in ("auc", "auc_low", "auc_high", "pointing"):
        assert where[column].between(0, 1).all()
    told = set(pd.read_csv(out / "when.csv")["evidence"])
    assert told >= {"frame logits", "peak of heatmap", "sum of temporal"}
    ran = on_demo("run", *untrained, "--only", "dfd")
    assert ran.code == 0, ran.err
    (folder,) = (tmp_path / "runs").glob("*/run.json")
    scores = pd.read_parquet(folder.parent / "scores.parquet")
    video_id = scores.loc[scores["status"] == "ok", "video_id"].iloc[0]
    shown = on_demo("explain", "--run", folder.parent.name, "--video", f"dfd/{video_id}", "--map", "heatmap")
    assert shown.code == 0, shown.err
    (record,) = (tmp_path / "runs" / "explanations").glob("*/evidence.json")
    facts = json.loads(record.read_text(encoding="utf-8"))["facts"]
    assert facts["video_id"] == video_id
    assert 0 <= facts["run_probability"] <= 1

    # The file of a real video, which no mask chooses a face of, gets alone the number that it got in the run.
    clips = scores[(scores["status"] == "ok") & (scores["label"] == 0)]
    of_run = video_scores(clips, "mean_logit").iloc[0]
    name = Path(of_run["video_id"]).name
    (path,) = [one for one in demo_folder.rglob(f"{name}.mp4") if "actors" in one.parts]
    predicted = on_demo("predict", path, "--detector", "fakestormer-untrained", "--json")
    (row,) = json.loads(predicted.out)
    assert (row["probability"], row["logit"]) == (of_run["score"], of_run["logit"])
    assert (row["status"], row["clips"]) == ("ok", of_run["n_clips"])

    # Where the run cut the faces of a dataset in its own way, they are explained in that way.
    run = json.loads(folder.read_text(encoding="utf-8"))
    folder.write_text(json.dumps({**run, "margins": {"dfd": 0.0}}), encoding="utf-8")
    tight = on_demo("explain", "--run", folder.parent.name, "--video", f"dfd/{video_id}", "--map", "heatmap")
    assert tight.code == 0, tight.err
    (other,) = set((tmp_path / "runs" / "explanations").glob("*/evidence.json")) - {record}
    sides = [
        one["frames"][0]["box"][2] - one["frames"][0]["box"][0]
        for one in (json.loads(path.read_text(encoding="utf-8")) for path in (record, other))
    ]
    assert sides[0] == pytest.approx(sides[1] * (1 + 2 * run["clips"]["margin"]))

    wrong = on_demo("explain", "--run", folder.parent.name, "--video", f"dfd/{video_id}x")
    assert wrong.code == 2
    assert "did you mean" in wrong.err
