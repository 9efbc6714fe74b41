"""Where a path really leads."""

from __future__ import annotations

from pathlib import Path


def lies_in(path: Path, folder: Path) -> bool:
    """Whether `path` is `folder` or lies under it, links followed; what leads nowhere does not."""
    try:
        found = path.resolve()
        # Since Python 3.13 links in a circle raise nothing: they are left in the path as they are.
        whole = not any(place.is_symlink() for place in (found, *found.parents))
        return whole and found.is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # A name too long, a NUL, links in a circle.
        return False
