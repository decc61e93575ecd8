"""Every test gets its own cache and runs folder; nothing is read from or written to the user's.

Hypothesis draws the same examples in every run, so that main is as green tomorrow as it is today. Torch has one thread,
also in the programs that tests start: networks of this size gain nothing from a second, and on a busy machine threads that
wait for one another cost ten times the time. The benchmarks take all cores.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from tests.chance import leave_out_slow

from dfbench.data.reading import Reading, read_by

if TYPE_CHECKING:
    from tests.cli.command import Dfbench

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported
hypothesis.settings.register_profile("dfbench", derandomize=True)
hypothesis.settings.load_profile("dfbench")


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DFBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DFBENCH_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("DFBENCH_CONFIG", raising=False)
    monkeypatch.delenv("DFBENCH_SCHEDULER", raising=False)
    monkeypatch.delenv("DFBENCH_TRUST", raising=False)
    monkeypatch.setattr("dfbench.hooks.waiting.SLOW_SECONDS", 600.0)  # a busy machine is not told of
    monkeypatch.chdir(tmp_path)
    read_by(Reading(tmp_path / "cache" / "archives"))  # as a command with these settings has it


Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """`install(module, source, distribution=..., entry=...)` makes a plugin that Host.load() finds."""
    site = tmp_path / "site"
    site.mkdir()

    def write(module: str, source: str, *, distribution: str = "", entry: str = "", target: str = "") -> None:
        name = distribution or module
        (site / f"{module}.py").write_text(source, encoding="utf-8")
        info = site / f"{name}-0.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
        (info / "entry_points.txt").write_text(f"[dfbench]\n{entry or module} = {target or module}\n")
        monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.syspath_prepend(site)

    return write


@pytest.fixture
def probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin `tests.probe`, installed, with its face finder as the one that finds faces."""
    info = tmp_path / "probe" / "probe_plugin-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: probe-plugin\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[dfbench]\nprobe = tests.probe\n")
    monkeypatch.syspath_prepend(info.parent)
    monkeypatch.setenv("DFBENCH_FACE_FINDER", "probe_finder")
    monkeypatch.setenv("DFBENCH_WORKERS", "1")


FACE_FRAMES = 32


DEMO_SEED = 0


def pytest_configure(config: pytest.Config) -> None:
    """Say to `tests.chance` whether slow tests are left out."""
    leave_out_slow("not slow" in config.option.markexpr)


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow who needs the small demo corpora: to render them takes half a minute."""
    for item in items:
        if "demo_folder" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")


@pytest.fixture
def dfbench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dfbench:
    """Runs a command through the real entry point, in this process: see `tests.cli.command`."""
    from tests.cli.command import in_process

    return in_process(monkeypatch, capsys)


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder of all processes that run tests. Whoever changes what is in it works on a copy."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared-cache"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def demo_folder(shared_cache: Path) -> Path:
    """The small demo corpora, where the command line finds them too: the first process that needs them makes them."""
    from dfbench.progress import SilentProgress
    from dfbench_plugins.demo.corpora import write

    folder = shared_cache / "corpora" / "demo-small"
    with (shared_cache / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when it is closed
        write(folder, size="small", seed=DEMO_SEED, progress=SilentProgress())
    return folder


@pytest.fixture(scope="session")
def demo_roots(demo_folder: Path) -> Mapping[str, Path]:
    """The roots of the small demo corpora, by the name of the dataset."""
    from dfbench_plugins.demo.layouts import ROOTS

    return {dataset: demo_folder / name for dataset, name in ROOTS.items()}


@pytest.fixture(scope="session")
def face_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 316 x 316 H.264 video of 32 frames with one face."""
    import av
    import numpy as np
    from tests.photographs import photographs

    images = [one[:316, :316] for one in photographs()]
    path = tmp_path_factory.mktemp("video") / "face.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 316
        stream.pix_fmt = "yuv420p"
        for number in range(FACE_FRAMES):
            image = np.ascontiguousarray(images[number % 4])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path
