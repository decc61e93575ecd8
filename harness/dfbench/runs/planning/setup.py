"""The plugins and the settings of one command, or of one call from Python, each loaded once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from dfbench.data.reading import Reading, read_by
from dfbench.hooks.host import Host

if TYPE_CHECKING:
    from dfbench.hooks.registry import Registry
    from dfbench.settings import Settings


class Setup:
    """The plugins and the settings in force for one command, which hands them to everything that it calls.

    Each is loaded when it is first asked for, so that a command which needs no settings does not fail for a wrong file, and
    kept: whoever asks again gets the same. A `host` with plugins of its own therefore reaches every place. `overrides` are
    settings that beat variables and the file.
    """

    def __init__(self, host: Host | None = None, **overrides: Any) -> None:
        self._given = host
        self._overrides = overrides

    @cached_property
    def host(self) -> Host:
        """The loaded plugins."""
        return Host.load() if self._given is None else self._given

    @property
    def registry(self) -> Registry:
        """What the loaded plugins offer."""
        return self.host.registry

    @cached_property
    def settings(self) -> Settings:
        """The settings, by which files of data sets are read from then on. Raises SettingsError, which names file or variable."""
        from dfbench.settings import load_settings  # takes long, and help needs none

        settings = load_settings(**self._overrides)
        read_by(Reading(settings.cache / "archives", follow_links=settings.data.follow_links))
        return settings

    def with_settings(self, **overrides: Any) -> Setup:
        """Return a setup of the same plugins whose settings are changed by `overrides`."""
        return Setup(self.host, **{**self._overrides, **overrides})
