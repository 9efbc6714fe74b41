"""Registries: visible dicts of lazy dotted paths, so that naming a thing does not import it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pipeline.errors import PipelineError


def resolve(registry: Mapping[str, str], name: str, kind: str) -> Any:
    """The object that `registry` has under `name`, imported now.

    `kind` says in the error what was looked for ("labeler"). An unknown name is refused with the
    list of the known ones.
    """
    if name not in registry:
        known = ", ".join(registry)
        raise PipelineError(f"unknown {kind} {name!r}; known: {known}")
    module, _, attribute = registry[name].rpartition(".")
    return getattr(import_module(module), attribute)
