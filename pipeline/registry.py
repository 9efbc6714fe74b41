"""Registries: dicts from names to dotted paths, which are imported only when they are used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pipeline.errors import PipelineError


def resolve(registry: Mapping[str, str], name: str, kind: str) -> Any:
    """The object registered under `name`, imported now.

    Raises `PipelineError` with the list of known names if `name` is not one of them; `kind`
    ("labeler") is the word for it in that message.
    """
    if name not in registry:
        known = ", ".join(registry)
        raise PipelineError(f"unknown {kind} {name!r}; known: {known}")
    module, _, attribute = registry[name].rpartition(".")
    return getattr(import_module(module), attribute)
