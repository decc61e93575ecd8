"""A third-party package, installed by pip for real, comes in by the same door and uses every hook."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import typer
from tests.hooks.distributions import python_path
from tests.hooks.test_host_events import RUN
from typer.testing import CliRunner

from dfbench.events import TrainingFacts
from dfbench.hooks.conformance import check_dataset, check_detector, check_synthesizer
from dfbench.hooks.events import Events
from dfbench.hooks.host import Host, PluginRecord, PluginStatus
from dfbench.hooks.loading import HOOK_NAMES
from dfbench.hooks.registry import Kind, load_object
from dfbench.progress import SilentProgress
from dfbench.training.conformance import check_training

SAMPLE = Path(__file__).parent.parent / "sample_plugin"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, pip_install: Callable[[Path, Path], None]) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    # Copied, because building leaves files beside the source.
    shutil.copytree(
        SAMPLE, folder / "source", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    )
    pip_install(folder / "source", folder / "site")
    return folder / "site"


@pytest.fixture
def host(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.syspath_prepend(site)
    yield Host.load()
    for module in [name for name in sys.modules if name.partition(".")[0] == "dfbench_sample"]:
        del sys.modules[module]


def sample_record(host: Host) -> PluginRecord:
    return next(record for record in host.plugins if record.name == "sample")


def test_a_new_process_finds_it_and_imports_nothing_heavy(site: Path) -> None:
    script = """
import json, sys
from dfbench.hooks.host import Host
host = Host.load()
record = next(one for one in host.plugins if one.name == "sample")
heavy = [name for name in ("torch", "pandas", "cv2", "av", "matplotlib") if name in sys.modules]
failures = [(one.name, one.error) for one in host.plugins if one.error]
print(json.dumps([record.distribution, record.version, record.status, record.offers, heavy, failures]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": python_path(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    distribution, version, status, offers, heavy, failures = json.loads(done.stdout)
    assert (distribution, version, status) == ("dfbench-sample", "1.2.3", "ok")
    assert offers["detector"] == ["sample_brightness", "sample_linear"]
    assert heavy == []
    assert failures == []


def test_it_implements_every_hook_and_offers_every_kind(host: Host) -> None:
    record = sample_record(host)
    assert record.status is PluginStatus.OK
    assert set(record.hooks) == set(HOOK_NAMES)
    assert set(record.offers) == set(Kind)


def test_its_detector_conforms_and_has_an_alias(host: Host) -> None:
    spec = host.registry.detector("Brightness")
    assert spec.name == "sample_brightness"
    assert [result for result in check_detector(spec) if not result.passed] == []


def test_its_trainable_detector_trains_with_its_own_synthesizer(host: Host) -> None:
    results = check_training(host.registry.detector("sample_linear"), host.registry)
    assert [result.name for result in results][:3] == [
        "trains",
        "its weights say what it was trained on",
        "trains the same again",
    ]
    assert [result for result in results if not result.passed] == []


def test_its_synthesizer_conforms(host: Host) -> None:
    results = check_synthesizer(host.registry.synthesizer("sample_flip"))
    assert [result for result in results if not result.passed] == []


def test_its_corpus_can_be_made_and_its_dataset_conforms(host: Host, tmp_path: Path) -> None:
    write = load_object(host.registry.corpus("sample_corpus").build)
    assert callable(write)
    roots = write(tmp_path, size="full", seed=0, progress=SilentProgress())
    results = check_dataset(host.registry.dataset("sample_videos"), roots["sample_videos"])
    assert [result for result in results if not result.passed] == []


def test_it_hears_events_and_adds_its_command(host: Host) -> None:
    cli = typer.Typer()
    cli.command("other")(lambda: None)
    assert host.add_commands(cli) == ()
    assert CliRunner().invoke(cli, ["sample-hello"]).output == "hello from the sample plugin\n"
    told = Events(host, SilentProgress())
    run, folder = RUN, Path("runs/1")
    told.run_started(run, folder)
    told.run_finished(run, folder, pd.DataFrame({"auc": [0.5, 0.6]}))
    told.run_failed(run, folder, ValueError("no disk"))
    plan = TrainingFacts("net", "plain", "demo", 0, "cpu", Path("weights"), 3, 2, identity={})
    told.training_started(plan)
    told.training_round(plan, 7, {"loss": 0.25})
    told.training_finished(plan, Path("weights/best.pt"), {})
    told.training_failed(plan, ValueError("diverged"))
    assert sys.modules["dfbench_sample"].events == [
        "net (seed 0) started in 1",
        "net (seed 0) finished with 2 rows",
        "net (seed 0) failed: no disk",
        "net trains on 3 videos",
        "step 7: loss 0.2",
        "net trained: best.pt",
        "net not trained: diverged",
    ]
