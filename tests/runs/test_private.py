"""What a stored run does not tell of the machine that made it."""

from __future__ import annotations

import getpass
import json
import platform
import socket
from pathlib import Path

import pytest

from dfbench.runs.records.private import Redaction, redaction
from dfbench.runs.records.provenance import cpu_model, environment
from dfbench.settings import Settings


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Redaction:
    monkeypatch.setattr(socket, "gethostname", lambda: "gpu-17.secret.example")
    monkeypatch.setattr(getpass, "getuser", lambda: "mallory")
    monkeypatch.setenv("HOME", "/home/mallory")
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    settings = Settings(cache=Path("/scratch/team x/cache"), runs=Path("/home/mallory/runs"))
    return redaction(settings, [Path("/data/Face Forensics++"), tmp_path / "link"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no face in any frame", "no face in any frame"),
        ("/data/Face Forensics++/a b/1.mp4 cannot be decoded", "a b/1.mp4 cannot be decoded"),
        ("nothing in /data/Face Forensics++: 3/4 of 1/2", "nothing in its root: 3/4 of 1/2"),
        ("/data/Face Forensics++2/x.mp4", ".../Face Forensics++2/x.mp4"),
        ("/other/data/Face Forensics++/x.mp4: bad", ".../Face Forensics++/x.mp4: bad"),
        ("open('/mnt/big disk/alice/x y.mp4') failed", "open('.../x y.mp4') failed"),
        ("read:/mnt/alice/x.mp4", "read:.../x.mp4"),
        ("/scratch/team x/cache/faces/ab/1.npz is damaged", "<cache>/faces/ab/1.npz is damaged"),
        ("/home/mallory/runs/a/scores", "<runs>/a/scores"),
        ("/home/mallory/x.mp4 or /home/mallory.", "~/x.mp4 or ~."),
        ("/home/eve/thesis/x.mp4", ".../x.mp4"),
        (
            "gpu-17.secret.example and gpu-17 refuse mallory, not mallory2",
            "<host> and <host> refuse <user>, not mallory2",
        ),
        ("see https://example.org/a/b and frames 12/25", "see https://example.org/a/b and frames 12/25"),
        ("ffpp/Deepfakes/000_003: and/or", "ffpp/Deepfakes/000_003: and/or"),
    ],
)
def test_what_is_left_of_a_message(private: Redaction, text: str, told: str) -> None:
    assert private.text(text) == told
    assert private.text(told) == told


def test_a_root_counts_under_both_its_names(private: Redaction, tmp_path: Path) -> None:
    assert private.text(f"{tmp_path}/link/a/1.mp4 and {tmp_path}/disk/2.mp4") == "a/1.mp4 and 2.mp4"


def test_a_record_of_an_earlier_version_loses_its_kernel(private: Redaction) -> None:
    kernel = "Linux-6.1.0-18-secret-x86_64-with-glibc2.36"
    record = {"sessions": [{"environment": {"platform": kernel, "cpus": 2}}], "lists": ["/mnt/a/list.txt: x"]}
    assert private.value(record) == {
        "sessions": [{"environment": {"platform": "Linux x86_64 (glibc2.36)", "cpus": 2}}],
        "lists": [".../list.txt: x"],
    }
    assert private.value({"platform": "macOS-14.5-arm64-arm-64bit"}) == {"platform": "macOS arm64"}


def test_the_environment_tells_the_kind_of_machine_and_not_which() -> None:
    found = environment(device="cpu", threads=2)
    text = json.dumps(found)
    assert found["platform"] == f"{platform.system()} {platform.machine()}"
    assert found["cpu"] == cpu_model()
    for secret in (platform.release(), platform.version(), platform.node()):
        assert not secret or f'"{secret}' not in text
    assert platform.release() not in text
