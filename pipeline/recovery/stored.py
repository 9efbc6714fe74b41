"""Reads the results of this package back from their JSON files."""

from __future__ import annotations

from dataclasses import is_dataclass
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints


def read_back(kind: Any, value: Any) -> Any:
    """The inverse of `dataclasses.asdict` and JSON, for a type `kind` of nested dataclasses, tuples
    of one type, optional values, and values that JSON has."""
    if is_dataclass(kind) and isinstance(kind, type):
        types = get_type_hints(kind)
        return kind(**{name: read_back(types[name], part) for name, part in value.items()})
    if get_origin(kind) is tuple:
        return tuple(read_back(get_args(kind)[0], part) for part in value)
    if get_origin(kind) is UnionType:
        return None if value is None else read_back(get_args(kind)[0], value)
    return value
