"""The options of a synthesizer, as they come from a recipe."""

from __future__ import annotations

from collections.abc import Mapping

from dfbench import UsageError


def chosen_of(
    options: Mapping[str, object], choices: Mapping[str, tuple[str, ...]], *, synthesizer: str
) -> dict[str, str]:
    """`options` with the values that `choices` allow, by name. Raises UsageError for an unknown option or value."""
    for name, value in options.items():
        if name not in choices:
            raise UsageError(
                f"synthesizer '{synthesizer}' has no option {name!r}",
                hints=(f"its options are {', '.join(choices)}",),
            )
        if value not in choices[name]:
            raise UsageError(
                f"option {name!r} of synthesizer '{synthesizer}' cannot be {value!r}",
                hints=(f"use one of {', '.join(choices[name])}",),
            )
    return {name: str(value) for name, value in options.items()}
