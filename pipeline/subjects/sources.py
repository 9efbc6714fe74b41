"""Where a subject's files are: a local folder, or the local copy of one on a model hub."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pipeline.config import SubjectConfig
from pipeline.errors import PipelineError
from pipeline.files import hub, text, weights
from pipeline.files.hashing import sha256_of
from pipeline.subjects.layouts.files import CODEC_FILE, LM_FILE, is_audiocraft

CONFIG_FILE = "config.json"
INIT_FILE = "init.json"
WEIGHTS = "*.safetensors"
HUB_FILES = [
    CONFIG_FILE, INIT_FILE, WEIGHTS, "model.safetensors.index.json", "generation_config.json",
    "tokenizer.json", "tokenizer_config.json", "spiece.model",
]  # fmt: skip


def is_transformers(folder: Path) -> bool:
    """Whether a folder holds transformers' files."""
    return (folder / CONFIG_FILE).is_file() and any(folder.glob(WEIGHTS))


def folder_of(model: str) -> Path:
    """The folder with a subject's config and weights, fetched if `model` is a hub name: in
    transformers' layout, or with audiocraft's two files; with both, transformers' is used.

    Raises `PipelineError` if the folder lacks what is needed, or the hub cannot be reached.
    """
    folder = Path(model) if Path(model).is_absolute() else _from_hub(model)
    if not folder.is_dir():
        raise PipelineError(f"subject folder {folder} does not exist")
    if is_audiocraft(folder) and not is_transformers(folder):
        weights.refuse_adapter(folder)
        return folder
    if not (folder / CONFIG_FILE).is_file():
        raise PipelineError(f"subject folder {folder} has no {CONFIG_FILE}")
    if not any(folder.glob(WEIGHTS)):
        raise PipelineError(
            f"subject folder {folder} has no safetensors weights; other formats are not read, "
            "since opening them may run code"
        )
    weights.refuse_adapter(folder)
    config = text.read_json(folder / CONFIG_FILE)
    if not isinstance(config, dict):
        raise PipelineError(f"{folder / CONFIG_FILE} is not a model's config: not a JSON object")
    if config.get("model_type") == "musicgen":
        weights.refuse_broken_musicgen(folder, config, weights.names_in(folder.glob(WEIGHTS)))
    return folder


def stated_width(model: str) -> int | None:
    """Width of the residual stream, read from the model's own folder; None if that has none."""
    try:
        found = text.read_json(Path(model) / CONFIG_FILE)
    except PipelineError:
        return None
    width = found.get("decoder", {}).get("hidden_size") if isinstance(found, dict) else None
    return width if isinstance(width, int) else None


def fingerprint_of(config: SubjectConfig) -> str:
    """SHA-256 over config and weights and, for a random control, its initialisation."""
    folder = folder_of(config.model)
    if is_transformers(folder):
        paths = [folder / CONFIG_FILE, *sorted(folder.glob(WEIGHTS))]
    else:
        paths = [folder / LM_FILE, folder / CODEC_FILE]
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name} {sha256_of(path)}\n".encode())
    if config.control == "random":
        recipe = json.dumps(initialisation(folder), sort_keys=True)
        digest.update(f"random {config.control_seed} {recipe}\n".encode())
    return digest.hexdigest()


def initialisation(folder: Path) -> dict[str, Any]:
    """The decoder's initialisation as the folder's `init.json` states it; empty without one."""
    path = folder / INIT_FILE
    if not path.is_file():
        return {}
    try:
        stated = text.read_json(path)
        return {name: float(stated[name]) for name in ("embedding_std", "initializer_factor")}
    except (ValueError, KeyError, TypeError) as error:
        raise PipelineError(f"{path} does not state the initialisation: {error!r}") from error


def _from_hub(name: str) -> Path:
    return hub.folder_of(
        name,
        HUB_FILES,
        fault=f"subject model {name!r} is not a folder here",
        advice=f"on a machine with a connection download {CONFIG_FILE}, {WEIGHTS} and "
        f"tokenizer.json (or audiocraft's {LM_FILE} and {CODEC_FILE}) from "
        f"https://huggingface.co/{name}, put them into one folder here and name that folder in "
        "[subject] model",
    )
