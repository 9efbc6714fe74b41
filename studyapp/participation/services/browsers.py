"""What is kept of a participant's browser: its family, never the whole line that it sends.

The line (`User-Agent`) can tell people apart; family, major version and operating system hardly
can. An iPad names itself a Mac; only `touch` tells them apart.
"""

from __future__ import annotations

import re
from typing import Any

BROWSERS = (
    ("Edge", r"Edg(?:e|A|iOS)?/(\d+)"),
    ("Opera", r"OPR/(\d+)"),
    ("Samsung Internet", r"SamsungBrowser/(\d+)"),
    ("Firefox", r"(?:Firefox|FxiOS)/(\d+)"),
    ("Chrome", r"(?:Chrome|CriOS)/(\d+)"),
    ("Safari", r"Version/(\d+).*Safari"),
)
"""The first that fits: all but Firefox and Safari also name themselves Chrome."""
SYSTEMS = (
    ("iOS", "iPhone|iPad|iPod"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("ChromeOS", "CrOS"),
    ("macOS", "Macintosh"),
    ("Linux", "Linux"),
)
OTHER = "other"
NARROW, MEDIUM = 600, 1024
"""Windows under these widths, in CSS pixels, are `narrow` and `medium`; others are `wide`."""
VIEWPORTS = ("narrow", "medium", "wide")
LONGEST_LINE = 1_000


def described(line: str) -> dict[str, Any]:
    """`browser`, `version` (major; None if unknown) and `system` of a `User-Agent` line."""
    line = line[:LONGEST_LINE]
    found: dict[str, Any] = {"browser": OTHER, "version": None, "system": OTHER}
    for name, pattern in BROWSERS:
        if match := re.search(pattern, line):
            found |= {"browser": name, "version": int(match[1][:4])}
            break
    for name, pattern in SYSTEMS:
        if re.search(pattern, line):
            return found | {"system": name}
    return found


def viewport(width: int) -> str:
    """One of `VIEWPORTS` for a window of that width, CSS pixels."""
    if width < NARROW:
        return VIEWPORTS[0]
    return VIEWPORTS[1] if width < MEDIUM else VIEWPORTS[2]
