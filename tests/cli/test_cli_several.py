"""Several detectors in one command: each video is decoded once for all of them, and each is scored as if it were alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.command import Dfbench
from tests.cli.toy_several import WISHES, Counts, open_several


@pytest.fixture
def counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counts:
    return open_several(tmp_path / "videos", monkeypatch)


def of(*detectors: str) -> list[str]:
    return [word for name in detectors for word in ("-d", name)]


def test_faces_for_several_detectors_are_decoded_and_searched_once(dfbench: Dfbench, counts: Counts) -> None:
    what = ("data", "prepare", "folder", "--split", "test")
    ended = dfbench(*what, *of(*WISHES, "plain"))
    assert ended.code == 0, ended.err
    told = [line.split("\t")[:3] for line in ended.out.splitlines()]
    assert told[:3] == [[name, "ok", "4"] for name in WISHES]
    assert [line[1] for line in told[3:]] == ["boxes"]  # one table: all are served by the sharpest faces
    assert counts.decoded == {str(number): 1 for number in range(4, 8)}
    assert len(counts.searched) == 4 * 2
    assert set(counts.searched.values()) == {1}
    counts.clear()
    for name in WISHES:
        assert dfbench(*what, *of(name)).code == 0
        assert dfbench("data", "status", "folder", "--split", "test", *of(name)).out.startswith("ok\t4\n")
    assert not counts.decoded


def test_shares_for_several_detectors_are_of_videos(dfbench: Dfbench, counts: Counts) -> None:
    what = ("data", "prepare", "folder", *of("plain", "lab"))
    for share, numbers in (("1/2", "0246"), ("2/2", "1357")):
        counts.clear()
        ended = dfbench(*what, "--set", "frames=2", "--shard", share)
        assert (ended.code, ended.out) == (0, "plain\tok\t4\nlab\tok\t4\n"), ended.err
        assert counts.decoded == dict.fromkeys(numbers, 1)


def test_preparing_for_several_detectors_refuses_what_is_of_one(dfbench: Dfbench, counts: Counts) -> None:
    what = ("data", "prepare", "folder", *of("plain", "pair"))
    for option, value, words in (
        ("--weights", "x.pt", "--weights x.pt is of one detector, and there are 2: plain, pair"),
        ("--recipe", "plain", "cannot be trained, and has no recipe"),
    ):
        ended = dfbench(*what, option, value)
        assert (ended.code, words in " ".join(ended.err.split())) == (2, True), ended.err
    assert not counts.decoded
