"""Which fields of a config determine what a run may read, connect to and spend.

On the command line, anyone who writes a config could read those files anyway. Where a config comes
from somebody else, as on the site, these fields accept only what the administrator offers. The list
is derived from the config's dataclasses and is safe by default: a field whose type contains a
`Path` is guarded as a `FILE` unless its metadata say otherwise.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from pathlib import PurePath
from typing import Any, cast, get_args, get_type_hints

KEY = "guard"


class Guard(StrEnum):
    """What a guarded field refers to."""

    CORPUS = "corpus"
    """A folder of recordings."""
    MODEL = "model"
    """A folder of weights, or a name on the model hub."""
    REMOTE_MODEL = "remote model"
    """A model of a paid service, by the service's name for it."""
    FILE = "file"
    """Any other file that is read or written."""
    ADDRESS = "address"
    """A network address to which data are sent."""
    MONEY = "money"
    """A price or a budget."""


@dataclass(frozen=True)
class Guarded:
    """One guarded field."""

    section: str
    name: str
    guard: Guard
    default: Any

    def __str__(self) -> str:
        return f"[{self.section}] {self.name}"


def guard(kind: Guard) -> dict[str, Guard]:
    """Metadata that guard a dataclass field: `field(default="", metadata=guard(Guard.MODEL))`."""
    return {KEY: kind}


def guarded_fields(config: type) -> tuple[Guarded, ...]:
    """Every guarded field of a config made of sections (`RunConfig`), in the config's order."""
    found = []
    for section, kind in get_type_hints(config).items():
        hints = get_type_hints(kind)
        for one in fields(cast(Any, kind)):
            named = one.metadata.get(KEY) or (Guard.FILE if _holds_path(hints[one.name]) else None)
            if named is not None:
                default = None if one.default is MISSING else one.default
                found.append(Guarded(section, one.name, named, default))
    return tuple(found)


def _holds_path(hint: Any) -> bool:
    """Whether a value of this type is a path or may contain one."""
    if isinstance(hint, type) and issubclass(hint, PurePath):
        return True
    return any(map(_holds_path, get_args(hint)))
