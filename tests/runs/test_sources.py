"""What a stage fills into the specs that it hands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.toy_corpus import ToyPlugin
from tests.runs.toy_runs import Notes

from dfbench.errors import LayoutError, SettingsError, UnknownNameError, UsageError
from dfbench.exchanged import DatasetIndex
from dfbench.hooks.host import Host
from dfbench.hooks.registry import Registry
from dfbench.progress import SilentProgress
from dfbench.runs.planning.finders import with_finder
from dfbench.runs.planning.indexing import index_at
from dfbench.runs.planning.session import Session
from dfbench.runs.planning.sources import (
    DataSource,
    configured_source,
    corpus_to_make,
    data_source,
    made_corpus,
    with_corpora,
)
from dfbench.runs.records.provenance import run_identity
from dfbench.settings import Settings
from dfbench.specs import CorpusSpec, DatasetSpec, FaceFinderSpec, VideoSelection
from dfbench.types import LANDMARKING, ClipSpec, FrameChoice, PrepareSpec

SPEC = PrepareSpec(FrameChoice("uniform", 4))
SETTINGS = Settings()


def test_faces_of_another_version_of_the_finder_are_other_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Host.load().registry
    now = with_finder(SPEC, registry, SETTINGS)
    assert now.finder_version == registry.face_finder("mtcnn").version != ""
    assert with_finder(now, registry, SETTINGS) == now

    def newer(_: Registry, name: str) -> FaceFinderSpec:
        return FaceFinderSpec(name=name, summary="finds faces", build="a.b:c", version="next")

    monkeypatch.setattr(Registry, "face_finder", newer)
    later = with_finder(now, registry, SETTINGS)
    assert later.finder_version == "next"
    assert len({SPEC.digest(), now.digest(), later.digest()}) == 3


def test_landmarks_found_by_something_else_are_other_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    registry, wanted = Host.load().registry, replace(SPEC, landmarks=True)
    by_dlib, scored = (with_finder(one, registry, SETTINGS) for one in (wanted, SPEC))
    assert (by_dlib.landmark_kind, by_dlib.landmarking) == ("dlib", LANDMARKING)
    monkeypatch.setattr("dfbench.data.faces.landmarks.landmark_file", lambda: None)
    monkeypatch.setattr("dfbench.data.faces.landmarks.LANDMARKING", LANDMARKING + 1)
    by_template = with_finder(wanted, registry, SETTINGS)
    assert (by_template.landmark_kind, by_template.landmarking) == ("template", LANDMARKING + 1)
    assert by_template.digest() != by_dlib.digest()
    assert with_finder(SPEC, registry, SETTINGS) == scored  # which have no landmarks


def test_faces_tracked_in_another_way_are_other_faces_and_make_another_run() -> None:
    later = replace(SPEC, tracking=SPEC.tracking + 1)
    assert later.digest() != SPEC.digest()
    assert run_identity(prepare=later) != run_identity(prepare=SPEC)


def test_clips_cut_in_another_way_make_another_run() -> None:
    clips = ClipSpec(frames=2, size=64)
    later = replace(clips, cropping=clips.cropping + 1)
    assert run_identity(clips=later) != run_identity(clips=clips)


def test_the_settings_name_the_finder_unless_the_spec_does() -> None:
    registry = Host.load().registry
    assert with_finder(SPEC, registry, SETTINGS).finder == "mtcnn"
    other = Settings(face_finder="dlib")
    assert with_finder(SPEC, registry, other).finder == "dlib"
    assert with_finder(PrepareSpec(SPEC.frames, finder="mtcnn"), registry, other).finder == "mtcnn"


def test_an_unknown_finder_is_named() -> None:
    with pytest.raises(UsageError, match="nobody"):
        with_finder(PrepareSpec(FrameChoice("uniform", 4), finder="nobody"), Host.load().registry, SETTINGS)


class Noted:
    """A dataset that notes where it is looked for."""

    def __init__(
        self, root: Path, *, compression: str | None, roots: Mapping[str, Path] | None = None
    ) -> None:
        self._found = f"{root.name} at {compression} with {sorted(roots or {})}"

    def index(self) -> DatasetIndex:
        return DatasetIndex((), notes=(self._found,))


@pytest.mark.parametrize(
    ("name", "configured", "found"),
    [
        ("dfd", ["ffpp"], "ffpp at c23 with []"),
        ("dfd", ["ffpp", "dfd"], "dfd at c23 with []"),
        ("dfdc_3215", ["dfdc"], "dfdc at None with []"),
        ("deeperforensics", ["deeperforensics", "ffpp"], "deeperforensics at None with ['ffpp']"),
        ("deeperforensics_sources", ["deeperforensics"], "deeperforensics at None with []"),
    ],
)
def test_a_dataset_is_looked_for_where_it_lies(
    tmp_path: Path, name: str, configured: list[str], found: str
) -> None:
    """In its own root, or else in that of the dataset that it belongs to, beside the roots of those that it needs."""
    registry = Host.load().registry
    spec = replace(registry.dataset(name), build=f"{__name__}:Noted")
    roots = {one: tmp_path / one for one in configured}
    for root in roots.values():
        root.mkdir()
    source = DataSource("official", roots, made=False)
    compression = "c23" if name == "dfd" else None
    assert index_at(spec, source, compression).notes == (found,)


@pytest.mark.parametrize("configured", [[], ["ffpp"], ["ffpp", "dfd"]])
def test_a_dataset_need_not_be_in_the_root_of_another(tmp_path: Path, configured: list[str]) -> None:
    """A root of its own must hold it."""
    host = Host.load()
    roots = {one: tmp_path / one for one in configured}
    for root in roots.values():
        root.mkdir()
    source = DataSource("official", roots, made=False)
    session = Session(host, SETTINGS, source, SilentProgress())
    if "dfd" in configured:
        with pytest.raises(LayoutError, match="dfd"):
            session.videos_at_hand(VideoSelection("dfd"))
    else:
        assert session.videos_at_hand(VideoSelection("dfd")) == []


@pytest.fixture
def roots(tmp_path: Path) -> dict[str, Path]:
    """Folders of one's own, of a dataset, and of one that lies in the root of another."""
    found = {name: tmp_path / name for name in ("folder", "celeb_df_v2", "ffpp")}
    for root in found.values():
        root.mkdir()
    return found


def source_of(roots: dict[str, Path]) -> DataSource:
    registry = Host.load().registry
    return with_corpora(DataSource("official", roots, made=False), registry)


def test_own_videos_are_never_official(roots: dict[str, Path]) -> None:
    source = source_of(roots)
    assert source.corpus_of(["folder"]) == "own"
    assert source.corpus_of(["ffpp", "celeb_df_v2", "dfd"]) == source.corpus_of([]) == "official"
    with pytest.raises(UsageError, match=r"celeb_df_v2 \(official\), folder \(own\)") as caught:
        source.corpus_of(["celeb_df_v2", "folder"])
    assert "--only NAME" in caught.value.hints[0]
    (roots["folder"] / "dfbench-corpus.json").write_text('{"corpus": "holiday"}')
    assert source_of(roots).corpus_of(["folder"]) == "holiday"


def test_what_is_not_own_must_be_of_one_corpus(roots: dict[str, Path]) -> None:
    for name in ("celeb_df_v2", "ffpp"):
        (roots[name] / "dfbench-corpus.json").write_text('{"corpus": "demo"}')
    source = source_of(roots)
    assert source.corpus == source.corpus_of(["dfd", "ffpp", "celeb_df_v2"]) == "demo"
    assert source.corpus_of(["folder"]) == "own"
    (roots["ffpp"] / "dfbench-corpus.json").unlink()
    with pytest.raises(UsageError, match="different corpora: demo, official") as caught:
        source_of(roots)
    assert "may stand beside any other, as the dataset 'folder'" in caught.value.hints[1]


@pytest.mark.parametrize("asked", ["demo", "DEMO"])
def test_a_made_corpus_is_called_by_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    def write(folder: Path, **_: object) -> dict[str, Path]:
        return {"ffpp": folder}

    monkeypatch.setattr("dfbench.runs.planning.sources.load_object", lambda _: write)
    options = {"size": "small", "seed": 2, "progress": SilentProgress()}
    source = made_corpus(asked, Host.load().registry, Settings(cache=tmp_path), **options)  # type: ignore[arg-type]
    assert source.corpus == source.corpus_of(["ffpp", "folder"]) == "demo-small-seed2"


@pytest.mark.parametrize(
    ("size", "seed", "label"),
    [
        ("full", 0, "demo"),
        ("small", 0, "demo-small"),
        ("full", 3, "demo-seed3"),
        ("small", 3, "demo-small-seed3"),
    ],
)
def test_a_made_corpus_says_how_it_differs_from_the_plain_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: str, seed: int, label: str
) -> None:
    asked: list[dict[str, object]] = []

    def write(folder: Path, **options: object) -> dict[str, Path]:
        asked.append({"folder": folder, **options})
        return {}

    monkeypatch.setattr("dfbench.runs.planning.sources.load_object", lambda _: write)
    progress = SilentProgress()
    registry, settings = Host.load().registry, Settings(cache=tmp_path)
    source = made_corpus("demo", registry, settings, size=size, seed=seed, progress=progress)
    assert (source.corpus, source.made) == (label, True)
    assert asked == [
        {"folder": tmp_path / "corpora" / label, "size": size, "seed": seed, "progress": progress}
    ]


def test_a_corpus_whose_name_is_no_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = CorpusSpec(name="x" * 90, summary="", build="a:b", sizes=("full", "y" * 90))
    monkeypatch.setattr(Registry, "corpus", lambda *_: spec)
    monkeypatch.setattr("dfbench.runs.planning.sources.load_object", lambda _: pytest.fail)
    with pytest.raises(UsageError, match=r"corpus 'x+' in this size and by this seed is called"):
        made_corpus(
            spec.name,
            Host.load().registry,
            Settings(cache=tmp_path),
            size=spec.sizes[1],
            seed=1,
            progress=SilentProgress(),
        )
    with pytest.raises(UnknownNameError, match="no size 'huge' in corpus"):
        made_corpus(
            spec.name,
            Host.load().registry,
            Settings(cache=tmp_path),
            size="huge",
            seed=1,
            progress=SilentProgress(),
        )
    monkeypatch.setattr("dfbench.runs.planning.sources.load_object", lambda _: "text")
    with pytest.raises(UsageError, match="a:b is not callable"):
        made_corpus(
            spec.name,
            Host.load().registry,
            Settings(cache=tmp_path),
            size="full",
            seed=1,
            progress=SilentProgress(),
        )
    assert not (tmp_path / "corpora").exists()


REGISTRY = Host.load([ToyPlugin()]).registry


def configured(roots: Mapping[str, Path]) -> DataSource:
    return configured_source(Settings.model_validate({"data": {"roots": roots}}), REGISTRY)


def test_roots_are_known_by_any_name_of_their_data_set(tmp_path: Path) -> None:
    source = configured({"toys": tmp_path, "toy": tmp_path, "toi": tmp_path / "x"})
    assert source.roots == {"toy": tmp_path}
    ((name, (root, error)),) = source.unknown.items()
    assert (name, root) == ("toi", tmp_path / "x")
    assert "'toi'" in error.message
    with pytest.raises(SettingsError, match="gives toy two roots, as toys and as toy"):
        configured({"toys": tmp_path, "toy": tmp_path / "other"})


def test_a_root_that_cannot_be_used_says_which_and_why(tmp_path: Path) -> None:
    source = configured({"toy": tmp_path / "gone", "toi": tmp_path})
    with pytest.raises(SettingsError, match=r"the root of dataset 'toy', .*gone, cannot be used") as caught:
        source.root("toy")
    assert "correct [data.roots]" in caught.value.hints[0]
    with pytest.raises(SettingsError, match="no root is configured for dataset 'dfdc'") as caught:
        source.root("dfdc")
    assert caught.value.hints[0].startswith("[data.roots] toi: ")  # perhaps that was meant
    assert "--only NAME" in caught.value.hints[2]


@pytest.mark.parametrize(
    ("own", "host", "inside", "has"),
    [(True, True, "", True), (True, False, "", True), (False, True, "toy", True), (False, False, "", False)],
)
def test_a_root_of_its_own_goes_before_that_of_another(
    tmp_path: Path, own: bool, host: bool, inside: str, has: bool
) -> None:
    guest = DatasetSpec(name="guest", summary="", build="a:b", root_of="toy", needs=("toy",))
    roots = {"guest": tmp_path / "guest"} if own else {}
    roots |= {"toy": tmp_path / "toy"} if host else {}
    for root in roots.values():
        root.mkdir()
    source = DataSource("official", roots, made=False)
    assert (source.inside(guest), source.has(guest)) == (inside, has)
    if has:
        assert source.root_for(guest) == tmp_path / (inside or "guest")
    if host:
        assert source.needed_by(guest) == {"toy": tmp_path / "toy"}
    else:
        with pytest.raises(SettingsError, match="'toy'"):
            source.needed_by(guest)


def test_only_where_nothing_is_configured_the_demo_is_made_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def corpus(name: str, *_: object, **__: object) -> DataSource:
        made.append(name)
        return DataSource(name, {}, made=True)

    monkeypatch.setattr("dfbench.runs.planning.sources.made_corpus", corpus)
    nothing, something = Settings(), Settings.model_validate({"data": {"roots": {"toy": tmp_path / "gone"}}})
    notes = Notes()
    assert data_source("", REGISTRY, nothing, progress=notes).corpus == "demo"
    assert "No data roots" in notes.said[0]
    assert "DEMO corpora" in notes.said[0]
    assert len(notes.said) == 2
    assert data_source("demo", REGISTRY, something, progress=notes).made
    assert len(notes.said) == 2  # who asks for it is not told
    source = data_source("", REGISTRY, something, progress=notes)
    assert (source.made, source.roots) == (False, {"toy": tmp_path / "gone"})  # never replaced
    assert made == ["demo", "demo"]
    assert [corpus_to_make(data, something) for data in ("", "demo")] == ["", "demo"]
    misspelt = Settings.model_validate({"data": {"roots": {"toi": tmp_path}}})
    data_source("", REGISTRY, misspelt, progress=notes)
    assert notes.said[-1].startswith("warning: [data.roots] toi: ")
