"""Settings come from arguments, then variables, then the file."""

from __future__ import annotations

import tempfile
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfbench.config_file import write_root
from dfbench.errors import SettingsError
from dfbench.settings import load_settings


def test_file_then_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dfbench.toml").write_text(
        'runs = "from-file"\n[data.roots]\nffpp = "/data/ff"\n', encoding="utf-8"
    )
    monkeypatch.delenv("DFBENCH_RUNS")
    assert load_settings().runs == Path("from-file")
    assert load_settings().data.roots == {"ffpp": Path("/data/ff")}
    monkeypatch.setenv("DFBENCH_RUNS", "from-variable")
    assert load_settings().runs == Path("from-variable")


def test_bad_toml_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "dfbench.toml").write_text("runs = ", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"dfbench\.toml"):
        load_settings()


def test_named_file_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DFBENCH_CONFIG", "nowhere.toml")
    with pytest.raises(SettingsError, match=r"nowhere\.toml"):
        load_settings()


def test_workers_are_the_cores_of_this_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DFBENCH_WORKERS", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3, 5, 7})
    assert load_settings().workers == 3


def test_workers_must_be_positive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DFBENCH_WORKERS", "0")
    with pytest.raises(SettingsError, match="workers"):
        load_settings()


def roots() -> dict[str, Path]:
    return load_settings().data.roots


def test_a_root_is_also_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dfbench.toml").write_text('[data.roots]\nffpp = "/file"\ndfd = "/dfd"\n', encoding="utf-8")
    monkeypatch.setenv("DFBENCH_DATA__ROOTS__FFPP", "/variable")
    assert roots() == {"ffpp": Path("/variable"), "dfd": Path("/dfd")}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_written_root_leaves_everything_else_as_it_is(tmp_path: Path, end: str) -> None:
    path = tmp_path / "dfbench.toml"
    lines = [
        "# mine",
        'runs = "r"',
        "",
        " [ data . roots ] # here",
        'ffpp="/a"  # old',
        "",
        "[other]",
        'ffpp = "no"',
    ]
    path.write_bytes(end.join(lines).encode())
    write_root("dfd", Path("/d d"))
    write_root("ffpp", Path("/b"))
    lines[4:5] = ['ffpp = "/b"', 'dfd = "/d d"']
    assert path.read_bytes().decode() == end.join([*lines, ""])


@pytest.mark.parametrize(
    "text", [None, "", 'runs = "r"', "[data]\n", "[data.roots]", '[data.roots]\nx = "1"\n# end']
)
def test_a_root_is_written_to_any_file(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "dfbench.toml").write_text(text, encoding="utf-8")
    assert write_root("ffpp", Path("/a")) == Path("dfbench.toml")
    assert roots()["ffpp"] == Path("/a")


@pytest.mark.parametrize(
    "text",
    [
        'data.roots.dfd = "/x"',
        'data = {roots = {dfd = "/x"}}',
        "data = 3",
        '[data]\nroots = {dfd = "/x"}',
        "x =",
    ],
)
def test_a_file_in_another_form_is_left_alone_with_the_line_to_add(tmp_path: Path, text: str) -> None:
    path = tmp_path / "dfbench.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        write_root("ffpp", Path("/a"))
    assert caught.value.hints[-1] == 'add to dfbench.toml by hand:  [data.roots]  ffpp = "/a"'
    assert path.read_text(encoding="utf-8") == text
    assert [one.name for one in tmp_path.iterdir()] == ["dfbench.toml"]


def test_the_file_that_a_variable_names_is_written_through_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real.toml").write_text("", encoding="utf-8")
    (tmp_path / "link.toml").symlink_to(tmp_path / "real.toml")
    monkeypatch.setenv("DFBENCH_CONFIG", str(tmp_path / "link.toml"))
    write_root("ffpp", Path("/a"))
    assert (tmp_path / "link.toml").is_symlink()
    assert roots() == {"ffpp": Path("/a")}


def test_a_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(SettingsError, match="No space left"):
        write_root("ffpp", Path("/a"))
    assert list(tmp_path.iterdir()) == []


PRINTABLE = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), min_size=1, max_size=20
)


@given(path=PRINTABLE, name=st.one_of(st.from_regex(r"[a-z_0-9]{1,8}", fullmatch=True), PRINTABLE))
@settings(deadline=None, max_examples=100)
def test_any_path_comes_back_as_it_was(path: str, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        config = Path(folder) / "c.toml"
        config.write_text('[data.roots]\nffpp = "/x"\n', encoding="utf-8")
        patch.setenv("DFBENCH_CONFIG", str(config))
        write_root(name, Path(path))
        found = tomllib.loads(config.read_bytes().decode())["data"]["roots"]
        assert found == {"ffpp": "/x", name: str(Path(path))}


def test_folders_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DFBENCH_RUNS")
    monkeypatch.setenv("DFBENCH_CACHE", "~/faces")
    Path("dfbench.toml").write_text('runs = "~/runs"\n[data.roots]\nffpp = "~/FF"\n', encoding="utf-8")
    settings = load_settings()
    home = tmp_path / "home"
    assert (settings.cache, settings.runs, settings.data.roots["ffpp"]) == (
        home / "faces",
        home / "runs",
        home / "FF",
    )
    Path("dfbench.toml").write_text('[data.roots]\nffpp = "~nobody-at-all/FF"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match="the home folder in ~nobody-at-all/FF is not known"):
        load_settings()
