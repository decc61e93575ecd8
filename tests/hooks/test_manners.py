"""What a plugin changes of the process is put back, and the plugin is named; one that keeps everybody waiting is named, too."""

from __future__ import annotations

import itertools
import json
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import Install

from dfbench import DetectorSpec
from dfbench.errors import CoverageWarning
from dfbench.hooks import waiting
from dfbench.hooks.host import Host, PluginStatus
from dfbench.hooks.loading import MOST_OFFERS
from dfbench.hooks.manners import Generators, Surroundings, generators_kept, kept
from dfbench.hooks.plugin_code import running
from dfbench.hooks.registry import load_object

SPEC = DetectorSpec(name="rude", summary="", build="rude_module:Rude", trained_on=frozenset())


def ignore(*_: object) -> None: ...


RUDE: dict[str, Callable[[], object]] = {
    "the working folder": lambda: os.chdir("/"),
    "the standard streams": lambda: setattr(sys, "stdout", None),
    "the filters of warnings": lambda: warnings.simplefilter("ignore"),
    "what signals do": lambda: signal.signal(signal.SIGINT, lambda *_: None),
    "torch's number of threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "torch's default type": lambda: torch.set_default_dtype(torch.float64),
    "whether torch keeps gradients": lambda: torch.set_grad_enabled(False),
    "torch's default device": lambda: torch.set_default_device("meta"),
    "Python's random state": lambda: random.seed(3),
    "NumPy's random state": lambda: np.random.seed(3),  # noqa: NPY002 - what plugins do
    "torch's random state": lambda: torch.manual_seed(3),
}


@pytest.mark.parametrize("what", RUDE)
def test_what_a_plugin_changes_is_put_back_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    np.random.get_state()  # noqa: NPY002 - NumPy imports the module only now
    before, states = Surroundings(), Generators()
    watched = kept(lambda: "plugin 'rude'", "when it was called", generators=True)
    for _ in range(2):
        with watched:
            RUDE[what]()
    assert caplog.messages == [f"plugin 'rude' changed {what} when it was called: put back"]
    assert before.put_back() + states.put_back() == []
    assert Path.cwd() == tmp_path


def test_a_plugin_that_changes_nothing_is_not_mentioned(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with kept(lambda: "plugin 'kind'", "when it was called", generators=True):
        print("hello")
        warnings.filterwarnings("ignore", message="a library's own")
        torch.zeros(1).normal_(generator=torch.Generator())
    assert caplog.messages == []
    assert tuple(capsys.readouterr()) == ("", "hello\n")
    assert any(one[1] is not None and "library's" in one[1].pattern for one in warnings.filters)


def test_warnings_of_dfbench_are_shown_whatever_a_plugin_does_to_them() -> None:
    with pytest.warns(CoverageWarning):  # noqa: PT031 - the plugin comes between
        with kept(lambda: "x", "now"):
            warnings.resetwarnings()
            warnings.filterwarnings("ignore", category=UserWarning)
        warnings.warn("few videos", CoverageWarning, stacklevel=1)


def test_streams_of_others_are_left_to_them() -> None:
    """Another thread than the main one changes nothing that the main one could be about to use."""
    seen: list[object] = []

    def work() -> None:
        with kept(lambda: "x", "now"):
            seen.append(sys.stdout)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [sys.stdout]


def test_what_is_drawn_in_a_request_is_drawn_for_that_request_alone() -> None:
    states = random.getstate(), torch.get_rng_state()
    with generators_kept():
        random.random()
        torch.rand(2)
    assert random.getstate() == states[0]
    assert torch.equal(torch.get_rng_state(), states[1])


def test_a_detector_finds_the_state_that_it_made_when_it_was_built() -> None:
    """Between its calls nothing is put back: one that seeds torch when it is built would draw the same in every call."""
    with generators_kept():
        with running(SPEC, "when it was built"):
            torch.manual_seed(1)
        first = torch.rand(1)
        with kept(lambda: "x", "while it scored", quick=True):
            second = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(torch.cat([first, second]), torch.cat([torch.rand(1), torch.rand(1)]))


def test_a_plugin_is_named_for_what_it_does_when_it_is_loaded(
    install: Install, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    source = (
        "import dfbench, os, random\nprint('loaded')\nos.chdir('/')\nrandom.seed(1)\n"
        "@dfbench.hookimpl\ndef dfbench_detectors():\n    os.chdir('/usr')\n    return []\n"
    )
    install("rude", source, distribution="rude-plugin")
    state = random.getstate()
    Host.load()
    (message,) = caplog.messages
    assert message == (
        "plugin 'rude' (rude-plugin 0.1) changed the working folder, Python's random state when it was loaded: put back"
    )
    assert (Path.cwd(), random.getstate()) == (tmp_path, state)


def test_listeners_and_imports_are_looked_at_too(
    install: Install, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    source = "import dfbench, os\n@dfbench.hookimpl\ndef dfbench_run_started(plan):\n    os.chdir('/')\n"
    install("rude", source)
    assert Host.load().tell("dfbench_run_started", lambda: {"run": None, "folder": None, "plan": {}}) == ()
    install("rude_module", "import os\nos.chdir('/')\nRude = 1\n")
    assert load_object("rude_module:Rude") == 1
    with running(SPEC, "to describe w"):
        os.chdir("/")
    changed = "changed the working folder"
    assert caplog.messages == [
        f"plugin 'rude' (rude 0.1) {changed} when it was called: put back",
        f"importing 'rude_module:Rude' {changed} of this process: put back",
        f"detector 'rude', of plugin 'rude_module' (rude_module 0.1), {changed} when asked to describe w: put back",
    ]
    assert Path.cwd() == tmp_path


def test_bundled_plugins_keep_to_it(caplog: pytest.LogCaptureFixture) -> None:
    registry = Host.load().registry
    for name in registry.names("detector"):
        load_object(registry.detector(name).build)
    for name in registry.names("face_finder"):
        load_object(registry.face_finder(name).build)
    assert caplog.messages == []


def test_who_keeps_everybody_waiting_is_named_again_and_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(waiting, "SLOW_SECONDS", 5.0)
    now = time.monotonic()
    with waiting.named_if_slow(lambda: "plugin 'slow' to be loaded"):
        for seconds in (4.4, 6.2, 7.2, 19.2, 21.2, 79.2, 81.2):
            waiting.speak(now + seconds)
    waiting.speak(now + 1000)  # for nothing any more
    said = [message.partition(" s ")[0] for message in caplog.messages]
    assert said == [f"still waiting for plugin 'slow' to be loaded: {seconds}" for seconds in (6, 21, 81)]


def test_a_plugin_that_hangs_at_its_import_is_named_while_it_does(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for what names it: a plugin that is not named while it hangs fails this test by its assertion."""
    monkeypatch.setattr(waiting, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(waiting, "TICK_SECONDS", 0.01)
    named = threading.Event()

    def seen(record: logging.LogRecord) -> bool:
        if "still waiting for plugin 'hangs' (hangs 0.1) to be loaded" in record.getMessage():
            named.set()
        return True

    monkeypatch.setattr(waiting.LOG, "filters", [seen])
    monkeypatch.setattr(waiting, "named_for_test", named, raising=False)
    source = "from dfbench.hooks import waiting\nassert waiting.named_for_test.wait(30)\nimport dfbench\n"
    install("hangs", source + "@dfbench.hookimpl\ndef dfbench_detectors():\n    return []\n")
    (record,) = (one for one in Host.load().plugins if one.name == "hangs")
    assert record.status is PluginStatus.OK, record.error


def test_json_is_all_that_stands_on_standard_output(tmp_path: Path) -> None:
    """In a process of its own, whose standard output is a descriptor that C and children write to."""
    info = tmp_path / "loud-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: loud\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[dfbench]\nloud = loud\n")
    (tmp_path / "loud.py").write_text(
        "import dfbench, os, subprocess, sys\n"
        "print('print'); sys.__stdout__.write('stream '); os.write(1, b'descriptor '); subprocess.run(['echo', 'child'])\n"
        "@dfbench.hookimpl\ndef dfbench_detectors():\n    print('hook'); return []\n"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    ended = subprocess.run(
        [sys.executable, "-m", "dfbench", "plugins", "list", "--json"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "loud" in [one["name"] for one in json.loads(ended.stdout)]
    assert {"print", "stream", "descriptor", "child", "hook"} <= set(ended.stderr.split())


def test_offers_without_end_are_a_fault() -> None:
    class Endless:
        __name__ = "endless"

        @staticmethod
        def dfbench_detectors() -> object:
            return (SPEC for _ in itertools.count())

    from dfbench import hookimpl

    plugin = Endless()
    plugin.dfbench_detectors = hookimpl(Endless.dfbench_detectors)  # type: ignore[method-assign]
    (record,) = (one for one in Host.load([plugin]).plugins if one.name == "endless")
    assert record.status is PluginStatus.FAILED
    assert f"offers more than {MOST_OFFERS} things: does it end?" in record.error


@pytest.fixture(autouse=True)
def _all_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dfbench")
