"""Every way in which a plugin is known to break: it is listed with the reason and harms nobody else."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable

import pytest

from dfbench import DetectorSpec, PluginError, UnknownNameError, hookimpl
from dfbench.hooks.host import Host, PluginRecord, PluginStatus

Install = Callable[..., None]

HEAD = """
from dfbench import ClipSpec, DatasetSpec, DetectorSpec, ProtocolSpec, hookimpl

def spec(name, **fields):
    return DetectorSpec(name=name, summary="", build="os:path", **fields)

"""

# case: (source after HEAD, what the error says, what the traceback says)
BROKEN = {
    "missing_module": (
        "import no_such_module_anywhere",
        "No module named 'no_such_module_anywhere'",
        "import no_such_module_anywhere",
    ),
    "syntax_error": ("def f(:", "cannot be imported: SyntaxError", "def f(:"),
    "exit_at_import": ("import sys; sys.exit(3)", "cannot be imported: SystemExit: 3", "sys.exit(3)"),
    "base_exception": (
        "class Panic(BaseException): pass\nraise Panic('rust')",
        "cannot be imported: Panic: rust",
        "raise Panic",
    ),
    "misspelt_marked": (
        "@hookimpl\ndef dfbench_detector(): return []",
        "there is no hook 'dfbench_detector': did you mean 'dfbench_detectors'?",
        "",
    ),
    "misspelt_unmarked": (
        "def dfbench_synthesisers(): return []",
        "there is no hook 'dfbench_synthesisers': did you mean 'dfbench_synthesizers'?",
        "",
    ),
    "marked_without_prefix": ("@hookimpl\ndef datasets(): return []", "there is no hook 'datasets'", ""),
    "unmarked": ("def dfbench_detectors(): return []", "function dfbench_detectors lacks @hookimpl", ""),
    "no_hook": ("x = 1", "it implements no hook", ""),
    "reserved_dataset": (
        "@hookimpl\ndef dfbench_datasets(): return [DatasetSpec(name='Mean', summary='', build='os:path')]",
        "dataset 'Mean' has a name that result tables use for something else",
        "",
    ),
    "clashing_datasets": (
        "@hookimpl\ndef dfbench_datasets(): return [DatasetSpec(name=n, summary='', build='os:path') for n in "
        "('x_low', 'x')]",
        "the datasets 'x' and 'x_low' cannot stand on one board: it calls a column so",
        "",
    ),
    "clashing_with_another": (
        "@hookimpl\ndef dfbench_datasets(): return [DatasetSpec(name='dfdc_cross', summary='', build='os:path')]",
        "the datasets 'dfdc' and 'dfdc_cross' cannot stand on one board",
        "",
    ),
    "protocol_with_build": (
        "@hookimpl\ndef dfbench_protocols(): return [ProtocolSpec(name='p', summary='', build='a:b')]",
        "protocol 'p' has build 'a:b', and nothing is built of a protocol",
        "build='a:b'",
    ),
    "field_of_no_spec": (
        "@hookimpl\ndef dfbench_protocols(): return [ProtocolSpec(name='p', summary='', zzz=1)]",
        "unexpected keyword argument 'zzz'; leave it out; ProtocolSpec has name, summary, licence,",
        "zzz=1",
    ),
    "protocol_with_names": (
        "@hookimpl\ndef dfbench_protocols(): return [ProtocolSpec(name='p', summary='', train='ffpp')]",
        "protocol 'p' has train 'ffpp', which is neither a VideoSelection nor None",
        "",
    ),
    "protocol_with_one_test": (
        "@hookimpl\ndef dfbench_protocols(): return [ProtocolSpec(name='p', summary='', tests=('ffpp'))]",
        "protocol 'p' has tests 'ffpp', which are not a tuple of VideoSelection and TestSet",
        "",
    ),
    "moved_name": (
        "from dfbench import read_faces",
        "): did you mean dfbench.data.read_faces?",
        "import read_faces",
    ),
    "misspelt_name": (
        "from dfbench.training import Metod",
        "): did you mean 'Method'?",
        "import Metod",
    ),
    "misspelt_field": (
        "@hookimpl\ndef dfbench_detectors(): return [spec('x', trained_one=None)]",
        "unexpected keyword argument 'trained_one'; did you mean 'trained_on'",
        "trained_one=None",
    ),
    "returns_none": (
        "@hookimpl\ndef dfbench_detectors(): [spec('x')]",
        "dfbench_detectors returned None, not a list of DetectorSpec: is `return` missing?",
        "",
    ),
    "returns_one": (
        "@hookimpl\ndef dfbench_detectors(): return spec('x')",
        "returned one DetectorSpec, not a list of DetectorSpec: put it in a list",
        "",
    ),
    "returns_text": (
        "@hookimpl\ndef dfbench_detectors(): return 'resnet'",
        "returned str 'resnet', not a list of DetectorSpec",
        "",
    ),
    "returns_number": ("@hookimpl\ndef dfbench_detectors(): return 7", "returned int 7, not a list", ""),
    "returns_dict": (
        "@hookimpl\ndef dfbench_detectors(): return {'x': spec('x')}",
        "returned dict {'x': DetectorSpec(",
        "",
    ),
    "wrong_spec": (
        "@hookimpl\ndef dfbench_datasets(): return [spec('x')]",
        "an iterable that holds DetectorSpec DetectorSpec(name='x'",
        "",
    ),
    "raises": (
        "@hookimpl\ndef dfbench_detectors(): return [spec('x'), 1 / 0]",
        "dfbench_detectors failed: ZeroDivisionError: division by zero",
        "1 / 0",
    ),
    "exits_in_hook": (
        "@hookimpl\ndef dfbench_detectors(): raise SystemExit('bye')",
        "dfbench_detectors failed: SystemExit: bye",
        "raise SystemExit",
    ),
    "raises_while_yielding": (
        "@hookimpl\ndef dfbench_detectors():\n    yield spec('x')\n    raise KeyError('later')",
        "dfbench_detectors failed: KeyError: 'later'",
        "raise KeyError",
    ),
    "wrong_signature": (
        "@hookimpl\ndef dfbench_detectors(config): return []",
        "a hook has the wrong signature",
        "",
    ),
    "twice_within": (
        "@hookimpl\ndef dfbench_detectors(): return [spec('x'), spec('X')]",
        "it offers detector 'x' twice",
        "",
    ),
    "alias_taken": (
        "@hookimpl\ndef dfbench_detectors(): return [spec('x', aliases=('Chance',))]",
        "detector 'chance' of 'alias_taken' is already offered by 'baselines'",
        "",
    ),
    "aliases_text": (
        "@hookimpl\ndef dfbench_detectors(): return [spec('x', aliases='abc')]",
        "detector 'x' has aliases 'abc', which are not a tuple",
        "",
    ),
    "empty_name": ("@hookimpl\ndef dfbench_detectors(): return [spec('')]", "has no usable name", ""),
    "numeric_name": ("@hookimpl\ndef dfbench_detectors(): return [spec(5)]", "has no usable name", ""),
    "no_frames": (
        "@hookimpl\ndef dfbench_detectors(): return [spec('x', clips=ClipSpec(frames=0, size=112))]",
        "detector 'x' has a ClipSpec whose frames is 0, not a whole number from 1 on",
        "",
    ),
    "odd_size": (
        "@hookimpl\ndef dfbench_detectors(): return [spec('x', clips=ClipSpec(frames=1, size='112'))]",
        "detector 'x' has a ClipSpec whose size is '112'",
        "",
    ),
    "no_margin": (
        "@hookimpl\ndef dfbench_detectors(): return [spec('x', clips=ClipSpec(1, 112, margin=float('nan')))]",
        "detector 'x' has a ClipSpec whose margin is nan",
        "",
    ),
    "clips_of_another_type": (
        "@hookimpl\ndef dfbench_detectors(): return [spec('x', clips=8)]",
        "detector 'x' has clips of the type int, not a ClipSpec",
        "",
    ),
    "odd_pooling": (
        "@hookimpl\ndef dfbench_detectors(): return [spec('x', pooling='median')]",
        "detector 'x' has pooling 'median', which is not a Pooling",
        "",
    ),
    "trained_on_text": (
        "@hookimpl\ndef dfbench_detectors(): return [spec('x', trained_on='ffpp')]",
        "detector 'x' has trained_on 'ffpp', which is neither a frozenset",
        "",
    ),
    "recipes_text": (
        "@hookimpl\ndef dfbench_detectors(): return [spec('x', recipes='base')]",
        "detector 'x' has recipes 'base', which are not a tuple of names",
        "",
    ),
    "no_such_recipe": (
        "@hookimpl\ndef dfbench_detectors(): return [spec('x', recipes=('a',), default_recipe='b')]",
        "detector 'x' has default_recipe 'b', which is not among its recipes",
        "",
    ),
    "bad_trainer": (
        "@hookimpl\ndef dfbench_detectors(): return [spec('x', trainer='train.py')]",
        "detector 'x' has trainer 'train.py', which is not of the form",
        "",
    ),
    "bad_build": (
        "@hookimpl\ndef dfbench_detectors(): return [DetectorSpec(name='x', summary='', build='a.b.c')]",
        "detector 'x' has build 'a.b.c', which is not of the form",
        "",
    ),
    "official_made": (
        "from dfbench import CorpusSpec\n@hookimpl\n"
        "def dfbench_corpora(): return [CorpusSpec(name='Official', summary='', build='a.b:c')]",
        "corpus 'Official' has the name of data that are not made",
        "",
    ),
}


def record_of(host: Host, name: str) -> PluginRecord:
    return next(record for record in host.plugins if record.name == name)


@pytest.mark.parametrize("case", BROKEN)
def test_broken_plugin_is_listed_and_harms_nobody(case: str, install: Install) -> None:
    source, reason, traceback = BROKEN[case]
    healthy = Host.load()
    install(case, HEAD + source)
    host = Host.load()
    broken = record_of(host, case)
    assert broken.status is PluginStatus.FAILED
    assert (broken.distribution, broken.version) == (case, "0.1")
    assert reason in broken.error
    assert traceback in broken.traceback
    assert [record for record in host.plugins if record is not broken] == list(healthy.plugins)
    assert host.registry.names("detector") == healthy.registry.names("detector")


def test_traceback_begins_in_the_plugin(install: Install) -> None:
    install("raises_at_import", "def inner():\n    raise ValueError('deep')\n\ninner()\n")
    lines = record_of(Host.load(), "raises_at_import").traceback.splitlines()
    assert "raises_at_import.py" in lines[1]
    assert lines[-1] == "ValueError: deep"


def test_asking_for_what_a_failed_plugin_offers_shows_its_traceback(install: Install) -> None:
    install(
        "half",
        f"{HEAD}@hookimpl\ndef dfbench_detectors():\n    yield spec('early')\n    raise KeyError('later')",
    )
    registry = Host.load().registry
    with pytest.raises(
        PluginError, match=r"detector 'EARLY' is offered by plugin 'half', which failed"
    ) as caught:
        registry.detector("EARLY")
    assert "raise KeyError('later')" in caught.value.message
    with pytest.raises(UnknownNameError) as unknown:
        registry.detector("something_else")
    assert any("'half'" in hint and "KeyError" in hint for hint in unknown.value.hints)


def test_several_faults_are_all_named(install: Install) -> None:
    install(
        "several",
        f"{HEAD}@hookimpl\ndef dfbench_detectors(): return 1\n@hookimpl\ndef dfbench_datasets(): return 2\n"
        "def dfbench_protocol(): pass\n",
    )
    error = record_of(Host.load(), "several").error
    assert "int 1" in error
    assert "int 2" in error
    assert "did you mean 'dfbench_protocols'?" in error


def test_of_two_plugins_with_one_name_the_later_distribution_is_refused(install: Install) -> None:
    offer = "{head}@hookimpl\ndef dfbench_detectors(): return [spec('{name}')]"
    install("mod_b", offer.format(head=HEAD, name="second"), distribution="zz-lab", entry="twin")
    install("mod_a", offer.format(head=HEAD, name="first"), distribution="aa-lab", entry="twin")
    host = Host.load()
    first, second = (record for record in host.plugins if record.name == "twin")
    assert (first.distribution, first.status) == ("aa-lab", PluginStatus.OK)
    assert (second.distribution, second.status) == ("zz-lab", PluginStatus.FAILED)
    assert second.error == "plugin name 'twin' is taken by aa-lab 0.1"
    assert host.registry.detector("first").name == "first"


def test_a_name_across_plugins_goes_to_the_first_and_both_are_named(install: Install) -> None:
    for module in ("lab_two", "lab_one"):
        install(module, f"{HEAD}@hookimpl\ndef dfbench_detectors(): return [spec('shared')]")
    host = Host.load()
    assert record_of(host, "lab_one").status is PluginStatus.OK
    assert (
        record_of(host, "lab_two").error == "detector 'shared' of 'lab_two' is already offered by 'lab_one'"
    )
    assert host.registry.detector("shared").name == "shared"


def test_a_failed_plugin_takes_no_names(install: Install) -> None:
    install(
        "a_failed", f"{HEAD}@hookimpl\ndef dfbench_detectors():\n    yield spec('wanted')\n    raise KeyError"
    )
    install("b_sound", f"{HEAD}@hookimpl\ndef dfbench_detectors(): return [spec('wanted')]")
    assert Host.load().registry.offer("detector", "wanted") is not None


@pytest.mark.parametrize("variable", ["noisy", "noisy-lab", " x , noisy"])
def test_a_disabled_plugin_is_listed_but_not_imported(
    variable: str, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("noisy_module", "raise RuntimeError", distribution="noisy-lab", entry="noisy")
    monkeypatch.setenv("DFBENCH_DISABLE_PLUGINS", variable)
    record = record_of(Host.load(), "noisy")
    assert (record.status, record.error) == (PluginStatus.DISABLED, "disabled by DFBENCH_DISABLE_PLUGINS")
    assert "noisy_module" not in sys.modules


def test_a_missing_attribute_of_the_entry_point_is_reported(install: Install) -> None:
    install("no_attribute", "x = 1", target="no_attribute:plugin")
    assert "cannot be imported: AttributeError" in record_of(Host.load(), "no_attribute").error


def test_ctrl_c_is_not_swallowed(install: Install) -> None:
    install("interrupted", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        Host.load()


def test_an_object_is_a_plugin_too_and_property_errors_are_its_own() -> None:
    class Cursed:
        @property
        def anything(self) -> int:
            raise RuntimeError("cursed")

        @hookimpl
        def dfbench_detectors(self) -> list[DetectorSpec]:
            return [DetectorSpec(name="object_detector", summary="", build="os:path")]

    sound = types.SimpleNamespace(dfbench_detectors=hookimpl(lambda: []))
    host = Host.load([Cursed(), sound, sound])
    assert [record.name for record in host.plugins[-3:]] == ["Cursed", "SimpleNamespace", "SimpleNamespace#2"]
    assert host.plugins[-3].status is PluginStatus.FAILED
    assert "RuntimeError: cursed" in host.plugins[-3].error
    assert host.plugins[-2].status is PluginStatus.OK
