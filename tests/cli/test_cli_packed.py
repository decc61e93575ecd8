"""Videos inside archives: what is not in them is missing, to `data check`, `data prepare` and `run` alike."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.command import Dfbench, frame
from tests.data.test_sequences import write

import dfbench as package

pytestmark = pytest.mark.usefixtures("probe")
ROWS = {
    "a.zip/real/1": "real",
    "a.tar.gz/real/2": "real",
    "a.zip/fake/3": "fake",
    "a.zip/fake/gone": "fake",
    "a.tar.gz/fake/gone": "fake",
    "a.zip/fake/3/0.png": "fake",
    "a.zip/fake": "fake",
    "a.zip/fake/../fake/3": "fake",
    "gone.zip/fake/4": "fake",
    "a.zip/fake/hollow": "fake",
    "cut.tar.gz/fake/5": "fake",
    "empty": "fake",
}
MISSING = [
    name
    for name in ROWS
    if "gone" in name or name in ("a.zip/fake/3/0.png", "a.zip/fake", "a.zip/fake/../fake/3")
]
EMPTY = ["a.zip/fake/hollow", "cut.tar.gz/fake/5", "empty"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "packed"
    (root / "empty").mkdir(parents=True)
    write(root / "a.zip", {"real/1/0.png": frame(9), "fake/3/0.png": frame(200), "fake/hollow/0.png": b""})
    write(root / "a.tar.gz", {"real/2/0.png": frame(9)})
    write(root / "cut.tar.gz", {"fake/5/0.png": frame(200)})
    cut = root / "cut.tar.gz"
    cut.write_bytes(cut.read_bytes()[:60])
    rows = [f"{name},{label},test,{'' if label == 'real' else 'swap'}" for name, label in ROWS.items()]
    (root / "videos.csv").write_text("\n".join(["path,label,split,manipulation", *rows]))
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__FOLDER", str(root))
    return root


def test_check_looks_into_archives(dfbench: Dfbench, root: Path) -> None:
    ended = dfbench("data", "check", "folder", "--json")
    assert ended.code == 1, ended.err
    told = json.loads(ended.out)
    assert told["missing"] == sorted(MISSING)
    assert told["empty"] == sorted(EMPTY)
    assert [one for one in told["problems"] if "cut.tar.gz cannot be read" in one]
    found = {row["manipulation"]: row["found"] for row in told["splits"]}
    assert found == {"real": {"real": 2, "fake": 0}, "swap": {"real": 0, "fake": 1}}


def test_a_run_tells_what_is_missing_from_what_is_damaged(dfbench: Dfbench, root: Path) -> None:
    prepared = dfbench("data", "prepare", "folder", "-d", "probe_net")
    assert prepared.code == 0, prepared.err
    assert f"missing\t{len(MISSING)}" in prepared.out, prepared.out
    ran = dfbench("run", "-d", "probe_net", "--dataset", "folder", "--min-coverage", "0")
    assert ran.code == 0, ran.err
    scores = package.scores(next(Path("runs").glob("probe_net-*")))
    statuses = {row["video_id"]: row["status"] for row in scores.to_dict("records")}
    assert {name for name, status in statuses.items() if status == "missing"} == set(MISSING)
    assert {name for name, status in statuses.items() if status == "undecodable"} == set(EMPTY)
