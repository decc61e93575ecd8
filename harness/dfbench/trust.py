"""A scheduler that a settings file names, which may have come with a stranger's data.

`dfbench.toml` is found in the working folder and above it. Which one is in force, and what it sets, is told in one line. A
scheduler is more than that: videos and functions are sent to it, and what it sends back is unpickled, which can run any code. So
it is taken from where you said it: the command line, DFBENCH_SCHEDULER, a file that DFBENCH_CONFIG names, `~/dfbench.toml`; from
any other file only after a question, or with `--trust`. Who owns the file says nothing: unpacked archives are yours, too.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dfbench.errors import UntrustedSettingError
from dfbench.names import shown

if TYPE_CHECKING:
    from dfbench.settings import (
        Settings,  # which takes a tenth of a second to import, and every command imports this
    )

TRUST = "DFBENCH_TRUST"  # set to 1 by --trust, also for the processes of a training


def require_trusted(settings: Settings) -> None:
    """Raise UntrustedSettingError if the scheduler of the settings is from a file that its user need not have written."""
    path = settings.scheduler_file
    if path is None or os.environ.get(TRUST) == "1" or _is_of_home(path):
        return
    raise UntrustedSettingError(
        f"{path} names the scheduler {shown(settings.scheduler)}: it would be sent your videos, and can run any "
        "code as you",
        hints=(
            "if you wrote that file:  the same command with --trust",
            "for good:                set DFBENCH_SCHEDULER, or DFBENCH_CONFIG to the file, or keep it as ~/dfbench.toml",
            "on this machine alone:   export DFBENCH_SCHEDULER=",
        ),
    )


def _is_of_home(path: Path) -> bool:
    """Whether a file lies directly in the home folder of its owner, who is this user, and nobody else can write to it."""
    try:
        status = path.stat()
        return path.parent == Path.home() and status.st_uid == os.geteuid() and not status.st_mode & 0o022
    except (OSError, RuntimeError):  # no home folder is known
        return False
