"""Settings: `dfbench.toml` in the working directory (or the file that DFBENCH_CONFIG names), overridden by DFBENCH_* variables.

[data.roots]
ffpp = "/data/FaceForensics++"

cache = "/scratch/dfbench"          # face store, weights, demo corpora
runs = "runs"                       # results of runs
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from dfbench.errors import SettingsError


class DataSettings(BaseModel):
    """Where the datasets are."""

    model_config = ConfigDict(extra="forbid")

    roots: dict[str, Path] = Field(default_factory=dict)


class Settings(BaseSettings):
    """All settings, with their defaults."""

    model_config = SettingsConfigDict(env_prefix="DFBENCH_", env_nested_delimiter="__", extra="forbid")

    data: DataSettings = Field(default_factory=DataSettings)
    cache: Path = Field(default_factory=lambda: platformdirs.user_cache_path("dfbench"))
    runs: Path = Path("runs")
    workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)

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
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=config_path())


def config_path() -> Path:
    """The configuration file, whether it exists or not."""
    return Path(os.environ.get("DFBENCH_CONFIG", "dfbench.toml"))


def load_settings(**overrides: Any) -> Settings:
    """Read the settings. Raises SettingsError, which names the file or variable."""
    named = os.environ.get("DFBENCH_CONFIG")
    if named and not Path(named).is_file():
        raise SettingsError(
            f"DFBENCH_CONFIG names {named}, which is not a file", hints=("correct or unset DFBENCH_CONFIG",)
        )
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
        raise SettingsError(
            f"settings in {config_path()} or DFBENCH_* variables cannot be used: " + "; ".join(lines),
            hints=(f"correct {config_path()}",),
        ) from error
    except ValueError as error:  # TOML syntax
        raise SettingsError(
            f"{config_path()} is not valid TOML: {error}", hints=("correct the file",)
        ) from error
