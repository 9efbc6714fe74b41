"""Why tracks were excluded, counted for a person to read."""

from __future__ import annotations

import re
from collections.abc import Iterable


def by_kind(reasons: Iterable[str]) -> dict[str, int]:
    """The number of tracks per reason. Reasons that differ only in names and numbers count as one,
    shown by the first of them."""
    kinds: dict[str, list[str]] = {}
    for reason in reasons:
        shape = re.sub(r"['\"].*['\"]|\d+(?:\.\d+)?|duplicate of .*", "…", reason)
        kinds.setdefault(shape, []).append(reason)
    return dict(
        sorted(
            ("duplicate" if found[0].startswith("duplicate of") else _like(found), len(found))
            for found in kinds.values()
        )
    )


def _like(reasons: list[str]) -> str:
    return reasons[0] if len(set(reasons)) == 1 else f"{min(reasons)} (or the like)"
