"""Where the data of a run comes from: configured roots, or a corpus that is made on this machine.

Only when nothing at all is configured does a run fall back to the demo corpora; a configured root that is
missing is an error and is never replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from dfbench.children import safe_children
from dfbench.config_file import config_path
from dfbench.data.datasets.corpus_card import corpus_name
from dfbench.data.folders import folder_fault, require_below
from dfbench.errors import DfbenchError, SettingsError, UsageError, unknown_name
from dfbench.escaping import for_shell
from dfbench.hooks.plugin_code import running
from dfbench.hooks.registry import load_object
from dfbench.interfaces import Progress
from dfbench.names import name_fault, shown
from dfbench.settings import Settings
from dfbench.specs import CorpusSpec, DatasetSpec
from dfbench.types import OFFICIAL, VideoFile

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry

FALLBACK_CORPUS = "demo"
_V = TypeVar("_V", bound=VideoFile)


@dataclass(frozen=True, slots=True)
class DataSource:
    """The roots of datasets, by name; `corpus` is what their data belong to, unless `corpora` says otherwise of one.

    `made`: they were made on this machine. `unknown`: configured roots under names that nobody offers, each with the
    error that says so.
    """

    corpus: str
    roots: Mapping[str, Path]
    made: bool
    unknown: Mapping[str, tuple[Path, DfbenchError]] = field(default_factory=dict)
    corpora: Mapping[str, str] = field(default_factory=dict)

    def corpus_of(self, datasets: Iterable[str]) -> str:
        """The corpus that all of `datasets` belong to, which names them in every table.

        Raises UsageError if there are several: no number may mix them.
        """
        by_name = {name: self.corpora.get(name, self.corpus) for name in datasets}
        if len(set(by_name.values())) > 1:
            told = ", ".join(f"{name} ({corpus})" for name, corpus in by_name.items())
            raise UsageError(
                f"these datasets belong to different corpora, which no number may mix: {told}",
                hints=("take them one at a time:  --only NAME (of localisation: --dataset NAME)",),
            )
        return next(iter(by_name.values()), self.corpus)

    def root(self, dataset: str) -> Path:
        """The root of a dataset. Raises SettingsError if it is not configured or not there."""
        if dataset not in self.roots:
            raise SettingsError(
                f"no root is configured for dataset '{dataset}'",
                hints=(
                    *(
                        f"[data.roots] {key}: {' '.join((error.message, *error.hints[:1]))}"
                        for key, (_, error) in self.unknown.items()
                    ),
                    f'add to {config_path()}:  [data.roots]  {dataset} = "/path/to/it"',
                    "leave it out:              --only NAME for each dataset that you have",
                    f"or try the demo corpora:   --data {FALLBACK_CORPUS}",
                ),
            )
        root = self.roots[dataset]
        if fault := folder_fault(root):
            raise SettingsError(
                f"the root of dataset '{dataset}', {root}, cannot be used: {fault}",
                hints=(f"correct [data.roots] in {config_path()}", "mount the disk that it is on"),
            )
        return root

    def inside(self, spec: DatasetSpec) -> str:
        """The dataset in whose root this one is looked for, as it has none of its own; "" if it is not."""
        return spec.root_of if spec.name not in self.roots and spec.root_of in self.roots else ""

    def has(self, spec: DatasetSpec) -> bool:
        """Whether there is a root of this dataset, or of the dataset that it lies within."""
        return spec.name in self.roots or spec.root_of in self.roots

    def root_for(self, spec: DatasetSpec) -> Path:
        """The root of a dataset, or of the dataset that it lies within. Raises SettingsError."""
        return self.root(self.inside(spec) or spec.name)

    def needed_by(self, spec: DatasetSpec) -> dict[str, Path]:
        """The roots of the datasets that `spec` uses videos of. Raises SettingsError."""
        return {name: self.root(name) for name in spec.needs}


def data_source(
    data: str,
    registry: Registry,
    settings: Settings,
    *,
    size: str = "full",
    seed: int = 0,
    progress: Progress,
) -> DataSource:
    """The source that `data` asks for: a corpus by name, or what is configured ("")."""
    if not corpus_to_make(data, settings):
        source = configured_source(settings, registry)
        for key, (_, error) in source.unknown.items():
            progress.note(f"warning: [data.roots] {key}: {' '.join((error.message, *error.hints[:1]))}")
        return with_corpora(source, registry)
    if not data:
        progress.note(f"*** No data roots in {config_path()}: using the DEMO corpora.")
        progress.note("*** Rendered people: the figures say nothing about real deepfakes.")
    corpus = corpus_to_make(data, settings)
    return made_corpus(corpus, registry, settings, size=size, seed=seed, progress=progress)


def corpus_to_make(data: str, settings: Settings) -> str:
    """The corpus that `data` asks to be made on this machine; "" if the configured roots are meant."""
    return data or ("" if settings.data.roots else FALLBACK_CORPUS)


def check_corpus(name: str, size: str, registry: Registry) -> CorpusSpec:
    """The corpus of this name, which can be made in this size. Raises UsageError, PluginError."""
    spec: CorpusSpec = registry.corpus(name)
    if size not in spec.sizes:
        raise unknown_name("size", size, spec.sizes, where=f"corpus {name!r}")
    if not callable(load_object(spec.build)):
        raise UsageError(f"corpus '{name}': {spec.build} is not callable")
    return spec


def configured_source(settings: Settings, registry: Registry) -> DataSource:
    """What [data.roots] and the variables name, whether it is there or not; no root at all is no error here.

    Names may be aliases. Raises SettingsError if two of them are the same dataset with different roots.
    """
    keys: dict[str, str] = {}
    unknown: dict[str, tuple[Path, DfbenchError]] = {}
    for key, root in settings.data.roots.items():
        try:
            name = registry.dataset(key).name
        except DfbenchError as error:
            unknown[key] = (root, error)
            continue
        first = keys.setdefault(name, key)
        if settings.data.roots[first] != root:
            raise SettingsError(
                f"[data.roots] gives {name} two roots, as {first} and as {key}",
                hints=(f"remove one of them from {config_path()} (or its DFBENCH_DATA__ROOTS__ variable)",),
            )
    roots = {name: settings.data.roots[key] for name, key in keys.items()}
    return DataSource(corpus=OFFICIAL, roots=roots, made=False, unknown=unknown)


def with_corpora(source: DataSource, registry: Registry) -> DataSource:
    """`source` with the corpora that its roots belong to.

    All but those of people's own videos must be of one, since a protocol trains on some datasets and tests on others.
    Raises UsageError if there are several, such as demo and official data, LayoutError for a damaged corpus file.
    """
    names: dict[str, str] = {}
    own: dict[str, str] = {}
    for name in registry.names("dataset"):
        spec = registry.dataset(name)
        root = source.roots.get(name) or source.roots.get(spec.root_of)
        if root is not None and not folder_fault(root):
            (names if spec.corpus == OFFICIAL else own)[name] = corpus_name(root, spec.corpus)
    if len(set(names.values())) > 1:
        raise UsageError(
            f"the configured roots belong to different corpora: {', '.join(sorted(set(names.values())))}",
            hints=(
                f"keep one corpus in [data.roots] of {config_path()}: that of --data {FALLBACK_CORPUS} needs no root there",
                "videos of your own may stand beside any other, as the dataset 'folder': dfbench run --dataset folder",
                "another configuration for the other corpus:  DFBENCH_CONFIG=other.toml dfbench ...",
            ),
        )
    return replace(source, corpus=next(iter(names.values()), OFFICIAL), corpora={**names, **own})


def refuse_unmade(spec: DatasetSpec, corpus: str, registry: Registry) -> None:
    """Raise SettingsError if the data of this dataset cannot come from the `corpus` that is made here ("": the demo one),
    before it is made for nothing."""
    made = registry.corpus(corpus or FALLBACK_CORPUS).datasets
    if not made or {spec.name, spec.root_of} & set(made):
        return
    if not corpus:
        raise no_root(spec)
    raise SettingsError(
        f"the corpus '{corpus}', which is made here, has no dataset '{spec.name}', only {', '.join(made)}",
        hints=(
            *no_root(spec).hints,
            f"then leave out --data {corpus}; --weights names weights that were trained on it",
        ),
    )


def no_root(spec: DatasetSpec) -> SettingsError:
    """The error for a dataset that is asked for by name and has no root."""
    return SettingsError(
        f"no root is configured for dataset '{spec.name}'",
        hints=(f"say where it is:   dfbench data add {for_shell(spec.name)} /path/to/it",),
    )


def made_corpus(
    name: str, registry: Registry, settings: Settings, *, size: str, seed: int, progress: Progress
) -> DataSource:
    """Write what is missing of a corpus that can be made here. Raises UsageError for an unknown size, StoreError."""
    spec = check_corpus(name, size, registry)
    label = "-".join(
        [spec.name, *([size] if size != spec.sizes[0] else []), *([f"seed{seed}"] if seed else [])]
    )
    if fault := name_fault(label):
        raise UsageError(
            f"corpus '{name}' in this size and by this seed is called {shown(label)}, which {fault}"
        )
    folder = require_below(settings.cache / "corpora", settings.cache / "corpora" / label)
    write = cast("Callable[..., object]", load_object(spec.build))
    with running(spec, "to write its files", slow=True), safe_children():
        roots = write(folder, size=size, seed=seed, progress=progress)
    return DataSource(corpus=label, roots=cast("Mapping[str, Path]", roots), made=True)
