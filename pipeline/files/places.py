"""Where a path really leads."""

from __future__ import annotations

from pathlib import Path


def lies_in(path: Path, folder: Path) -> bool:
    """Whether `path`, after following links, is `folder` or lies under it; False for
    links in a circle."""
    try:
        found = path.resolve()
        # Since Python 3.13 cyclic links raise no error and are left unresolved.
        whole = not any(place.is_symlink() for place in (found, *found.parents))
        return whole and found.is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # a name that is too long, a NUL, cyclic links
        return False
