"""What the fork server imports first: it leaves the working folder, where libraries that it imports would be looked for.

Each process that it makes goes back there before it does anything.
"""

from __future__ import annotations

import os

from dfbench.imports import ELSEWHERE, watch_imports

watch_imports()
os.chdir(ELSEWHERE)
