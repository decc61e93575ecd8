"""Which plugins of others took part, in which version, and by which code: told, hashed, and told apart."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import Install

from dfbench.hooks import third_party
from dfbench.hooks.host import Host
from dfbench.hooks.registry import Kind
from dfbench.hooks.third_party import PluginFacts, changed_since, code_sha256, third_parties, told_plugins

OFFERS = """
import dfbench
@dfbench.hookimpl
def dfbench_detectors():
    return [dfbench.DetectorSpec(name={name!r}, summary="", build={build!r}, trained_on=frozenset())]
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path of modules, with the package `my_code_of_test`."""
    folder = tmp_path / "site"
    (folder / "my_code_of_test" / "__pycache__").mkdir(parents=True)
    (folder / "my_code_of_test" / "__init__.py").write_text("")
    (folder / "my_code_of_test" / "net.py").write_text("class Net: ...\n")
    (folder / "my_code_of_test" / "__pycache__" / "net.pyc").write_bytes(b"compiled")
    monkeypatch.syspath_prepend(folder)
    return folder


def test_bundled_plugins_are_nobody_elses() -> None:
    host = Host.load()
    used = [(kind, name) for kind in Kind for name in host.registry.names(kind)]
    assert third_parties(host, used) == ()


def test_a_plugin_of_others_that_took_part_is_told_with_its_version_and_code(install: Install) -> None:
    install("mine_of_test", OFFERS.format(name="mine", build="mine_of_test:Net"), distribution="mine-plugin")
    install("idle_of_test", OFFERS.format(name="idle", build="idle_of_test:Net"))
    host = Host.load()
    (found,) = third_parties(
        host, [(Kind.DETECTOR, "MINE"), (Kind.DETECTOR, "chance"), (Kind.PROTOCOL, "no")]
    )
    sha256 = code_sha256(["mine_of_test"])
    assert found == PluginFacts("mine_of_test", "mine-plugin", "0.1", sha256, ("detector mine",))
    assert len(sha256) == 64
    assert found.words == f"mine-plugin 0.1 [{sha256[:12]}]"


def test_a_plugin_handed_over_as_an_object_is_somebody_elses_too(site: Path) -> None:
    from dfbench import DetectorSpec, hookimpl

    class Local:
        @hookimpl
        def dfbench_detectors(self) -> list[DetectorSpec]:
            return [
                DetectorSpec(
                    name="local", summary="", build="my_code_of_test.net:Net", trained_on=frozenset()
                )
            ]

    (found,) = third_parties(Host.load([Local()]), [(Kind.DETECTOR, "local")])
    assert (found.name, found.distribution, found.version) == ("Local", "", "")
    own = Path(__file__)
    assert found.sha256 == code_sha256([__name__, "my_code_of_test.net"]) != code_sha256([__name__])
    assert found.words.startswith("Local (no version) [")
    assert own.is_file()


def test_the_hash_is_that_of_all_files_of_the_package(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = site / "my_code_of_test"
    first = code_sha256(["my_code_of_test.net"])
    assert first == code_sha256(["my_code_of_test", "my_code_of_test.net"])
    (package / "__pycache__" / "net.pyc").write_bytes(b"compiled anew")
    os.utime(package / "net.py", ns=(1, 1))
    assert code_sha256(["my_code_of_test"]) == first  # neither is content
    (package / "weights.bin").write_bytes(bytes(100))
    second = code_sha256(["my_code_of_test"])
    monkeypatch.setattr(third_party, "WHOLE_BYTES", 20)
    third_party._digest.cache_clear()
    large = code_sha256(["my_code_of_test"])
    (package / "weights.bin").write_bytes(bytes(99) + b"\x01")
    assert len({first, second, code_sha256(["my_code_of_test"]), large}) == 4
    (package / "net.py").rename(package / "other.py")
    assert code_sha256(["my_code_of_test"]) not in (first, second, large)


@pytest.mark.parametrize("modules", [["sys"], ["no_such_module_of_test"], [""], []])
def test_what_has_no_files_has_no_hash(modules: list[str]) -> None:
    assert code_sha256(modules) == ""


def test_pipes_in_a_package_are_not_read_and_too_many_files_are_not_hashed(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(site / "my_code_of_test" / "pipe")
    assert len(code_sha256(["my_code_of_test"])) == 64
    monkeypatch.setattr(third_party, "MOST_FILES", 1)
    assert code_sha256(["my_code_of_test"]) == ""


def test_changes_since_several_sessions_are_seen() -> None:
    one, two = (PluginFacts("a", version="1", sha256=digit * 64) for digit in "12")
    other = PluginFacts("b", version="1", sha256="3" * 64)
    assert changed_since([one], [two, other]) == ["a"]
    assert changed_since([one, two], [two]) == []
    assert changed_since([], [one]) == []
    assert one.words == "a 1 [111111111111]"


def json_values() -> st.SearchStrategy[object]:
    """Whatever a header may hold."""
    plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
    names = st.sampled_from(["name", "distribution", "version", "sha256", "offers", "more"])
    return st.recursive(
        plain, lambda one: st.lists(one, max_size=3) | st.dictionaries(names, one, max_size=6), max_leaves=20
    )


@pytest.mark.slow
@given(content=json_values())
def test_what_a_header_says_of_plugins_is_read_or_passed_over(content: object) -> None:
    for plugin in told_plugins(content):
        assert plugin.name
        assert isinstance(plugin.offers, tuple)


@given(
    plugins=st.lists(
        st.builds(
            PluginFacts,
            name=st.text("abc", min_size=1),
            distribution=st.text("abc"),
            version=st.text("0."),
            sha256=st.text("0f", max_size=64),
            offers=st.lists(st.text("xyz"), max_size=3).map(tuple),
        ),
        max_size=3,
    )
)
def test_plugins_are_read_as_they_were_told(plugins: list[PluginFacts]) -> None:
    assert told_plugins([plugin.to_json() for plugin in plugins]) == tuple(plugins)


@pytest.mark.parametrize("field", ["name", "distribution", "version", "sha256"])
def test_a_wordy_plugin_of_a_header_is_passed_over(field: str) -> None:
    told = PluginFacts("p").to_json()
    assert told_plugins([told | {field: "a" * 201}, told]) == (PluginFacts("p"),)
    assert len(told_plugins([told] * 1000)) == 100
