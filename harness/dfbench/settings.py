"""Settings: `dfbench.toml` of the working directory or the nearest folder above it, overridden by DFBENCH_* variables.

DFBENCH_CONFIG names another file. Relative folders in a file that was found further up, and the folder `runs`, are relative
to that file, so that every folder below it has the same settings.

[data.roots]
ffpp = "/data/FaceForensics++"

cache = "/scratch/dfbench"          # face store, weights, demo corpora
runs = "runs"                       # results of runs
face_finder = "mtcnn"               # which of `dfbench plugins list` finds faces
scheduler = "tcp://node01:8786"     # prepare videos on this dask cluster; without it, on this machine (see `dfbench.trust`)
video_seconds = 1800                # a video whose preparation takes longer ends as an error

[data]
follow_links = true                 # in folders that are searched, also links to folders outside of the data set's root

A root is also a variable: DFBENCH_DATA__ROOTS__FFPP=/data/FaceForensics++. A folder may begin with "~".
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from dfbench.config_file import FILE_NAME, config_path
from dfbench.cores import own_cores
from dfbench.errors import SettingsError, UnreadableError
from dfbench.text import closest, meant, storable
from dfbench.untrusted import read_toml

OTHER_VARIABLES = ("DFBENCH_CONFIG", "DFBENCH_DISABLE_PLUGINS", "DFBENCH_TRUST")  # that are no settings
DEFAULT_FACE_FINDER = "mtcnn"
LOG = logging.getLogger(__name__)  # says which file is in force; commands print it


class DataSettings(BaseModel):
    """Where the datasets are; whether links to folders outside of a root are followed where its folders are searched."""

    model_config = ConfigDict(extra="forbid")

    roots: dict[str, Path] = Field(default_factory=dict)
    follow_links: bool = False

    @field_validator("roots")
    @classmethod
    def _at_home(cls, roots: dict[str, Path]) -> dict[str, Path]:
        return {name: _expanded(root) for name, root in roots.items()}


class Settings(BaseSettings):
    """All settings, with their defaults."""

    model_config = SettingsConfigDict(env_prefix="DFBENCH_", env_nested_delimiter="__", extra="forbid")

    data: DataSettings = Field(default_factory=DataSettings)
    cache: Path = Field(default_factory=lambda: platformdirs.user_cache_path("dfbench"))
    runs: Path = Path("runs")
    workers: int = Field(default_factory=own_cores, ge=1, le=4096)
    face_finder: str = DEFAULT_FACE_FINDER
    scheduler: str = ""
    video_seconds: float = Field(default=1800.0, gt=0, le=1e6)
    _scheduler_file: Path | None = PrivateAttr(default=None)

    @property
    def scheduler_file(self) -> Path | None:
        """The file that was found and names the scheduler; None if there is none or the user named it or the file."""
        return self._scheduler_file

    @field_validator("cache", "runs")
    @classmethod
    def _encodable(cls, folder: Path) -> Path:
        """Parquet files can only be written under names that are UTF-8; data may lie under any."""
        folder = _expanded(folder)
        if storable(str(folder)) != str(folder):
            raise ValueError(f"the name {storable(str(folder))} is not UTF-8")
        return folder

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments beat variables, variables beat the file."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, _FileSource(settings_cls, toml_file=config_path())


class _FileSource(TomlConfigSettingsSource):
    """The file; its relative folders are relative to it where it lies above the working directory."""

    def _read_file(self, file_path: Any) -> dict[str, Any]:
        return read_toml(Path(file_path))

    def __call__(self) -> dict[str, Any]:
        found = dict(super().__call__())
        path = config_path()
        if LOG.isEnabledFor(logging.INFO) and path.is_file():
            LOG.info("settings: %s", _in_force(path, found))
        if "DFBENCH_CONFIG" in os.environ or path == Path(FILE_NAME):
            return found
        for name, folder in (("runs", "runs"), ("cache", None)):
            if isinstance(value := found.get(name, folder), str):
                found[name] = _relative_to(path.parent, value)
        data = found.get("data")
        if isinstance(data, dict) and isinstance(roots := data.get("roots"), dict):
            found["data"] = {
                **data,
                "roots": {
                    key: _relative_to(path.parent, root) if isinstance(root, str) else root
                    for key, root in roots.items()
                },
            }
        return found


def _in_force(path: Path, content: Mapping[str, Any]) -> str:
    """A settings file in a line: where it is, what it sets, and who else may have written it."""
    names = ", ".join(name for name in Settings.model_fields if name in content)
    told = f"{path.absolute()} ({f'sets {names}' if names else 'sets nothing'})"
    return "; ".join([told, *_others(path.stat(), user=os.geteuid())])


def _others(status: os.stat_result, *, user: int) -> list[str]:
    """Who other than `user` can have written a file; the administrator may write to any."""
    found = ["it belongs to another user"] if status.st_uid not in (0, user) else []
    return found + (["anyone may write to it"] if status.st_mode & stat.S_IWOTH else [])


def _relative_to(folder: Path, path: str) -> str:
    return path if path.startswith("~") else str(folder / path)


def _expanded(folder: Path) -> Path:
    """`folder` with a leading "~" as the home folder: no shell reads a configuration file."""
    try:
        return folder.expanduser()
    except RuntimeError as error:
        raise ValueError(f"the home folder in {storable(str(folder))} is not known") from error


def load_settings(**overrides: Any) -> Settings:
    """Read the settings. Raises SettingsError, which names the file or variable."""
    named = os.environ.get("DFBENCH_CONFIG")
    if named and not Path(named).is_file():
        raise SettingsError(
            f"DFBENCH_CONFIG names {named}, which is not a file", hints=("correct or unset DFBENCH_CONFIG",)
        )
    if misspelt := misspelt_variables():
        raise SettingsError(
            f"there is no variable {', '.join(misspelt)}",
            hints=[f"did you mean {right}?  (instead of {wrong})" for wrong, right in misspelt.items()],
        )
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        lines = [_told(one["loc"], one["type"], one["msg"]) for one in error.errors()]
        raise SettingsError(
            f"settings in {config_path()} or DFBENCH_* variables cannot be used: " + "; ".join(lines),
            hints=(f"correct {config_path()}",),
        ) from error
    except UnreadableError as error:
        raise SettingsError(error.message, hints=("correct the file",)) from error
    variables = {name.upper() for name in os.environ}
    if (
        settings.scheduler
        and "scheduler" not in overrides
        and "DFBENCH_SCHEDULER" not in variables
        and not named
    ):
        settings._scheduler_file = config_path().absolute()
    return settings


def misspelt_variables() -> dict[str, str]:
    """Variables of the environment that look like one of dfbench's and are none, each with the one that was meant."""
    known = [*(f"DFBENCH_{name.upper()}" for name in Settings.model_fields), *OTHER_VARIABLES]
    found = {}
    for name in sorted(os.environ):
        upper = name.upper()
        if upper.startswith("DFBENCH_") and upper not in known and not upper.startswith("DFBENCH_DATA__"):
            near = [f"DFBENCH_DATA__ROOTS__{upper.rpartition('__')[2]}"] if "ROOTS__" in upper else []
            near += closest(upper, known, count=1, cutoff=0.85)
            found.update({name: near[0]} if near else {})
    return found


def _told(where: tuple[int | str, ...], kind: str, message: str) -> str:
    """What is wrong with one setting; of an unknown one, what was probably meant."""
    name = ".".join(str(part) for part in where)
    if kind != "extra_forbidden":
        return f"{name}: {message}"
    fields = DataSettings.model_fields if where[:1] == ("data",) else Settings.model_fields
    if where == ("roots",):  # which is below another
        return "roots: no such setting, did you mean [data.roots]?"
    question = meant(str(where[-1]), list(fields), count=1)
    return f"{name}: no such setting" + (f", {question}" if question else f"; known: {', '.join(fields)}")
