"""The registry of CLAP backends, and the model that a run's config names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pipeline.errors import PipelineError
from pipeline.registry import resolve

if TYPE_CHECKING:
    from pipeline.clap.base import Clap
    from pipeline.config import ClapConfig

# To add a backend: its file here with a class after pipeline.clap.base.Clap, a line below.
BACKENDS: dict[str, str] = {
    "transformers": "pipeline.clap.transformers_backend.TransformersClap",
    "laion-clap": "pipeline.clap.laion_backend.LaionClap",
}
VARIABLE = "EARWITNESS_CLAP_MODEL"


def model_of(config: ClapConfig) -> str:
    """The model's folder, file or hub name; raises `PipelineError` if neither config nor
    environment gives one."""
    model = config.model or os.environ.get(VARIABLE, "")
    if not model:
        raise PipelineError(
            "CLAP is needed, but no model is set: set [clap] model, or "
            f"{VARIABLE}, to a folder with a ClapModel (such as fixtures/nano/clap-nano) or, for "
            "the backend laion-clap, with its checkpoint"
        )
    return model


def fingerprint(config: ClapConfig) -> str:
    """Name of the backend and hash of its model's files; raises `PipelineError` if one is
    missing."""
    backend = resolve(BACKENDS, config.backend, "CLAP backend")
    print_: str = backend.fingerprint_of(model_of(config))
    return f"{config.backend}:{print_}"


def ready(config: ClapConfig) -> None:
    """Raise `PipelineError` if no model is set or its files or package are missing; hashes
    nothing."""
    resolve(BACKENDS, config.backend, "CLAP backend").ready(model_of(config))


def load(config: ClapConfig, *, device: str = "cpu") -> Clap:
    """The model, loaded onto a torch device."""
    backend = resolve(BACKENDS, config.backend, "CLAP backend")
    made: Clap = backend(model_of(config), batch=config.batch, device=device)
    return made
