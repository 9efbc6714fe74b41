"""The text encoder of a subject, a T5."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import PipelineError
from pipeline.files import hub, weights

FOLDER = "t5"
"""Subfolder with T5 next to audiocraft's files, which do not contain the text encoder."""


class TextEncoder(NamedTuple):
    """A T5 encoder and its tokenizer."""

    model: Any
    tokenizer: Any


def tokenizer_of(folder: Path) -> Any:
    """The tokenizer in a subject's folder.

    Raises `PipelineError` if there is none: without a connection transformers may return a
    tokenizer with a few tokens, which would turn every prompt into noise.
    """
    from transformers import AutoTokenizer

    if not any((folder / name).is_file() for name in ("tokenizer.json", "spiece.model")):
        raise PipelineError(
            f"{folder} has no tokenizer.json or spiece.model, so it cannot read a prompt"
        )
    try:
        return AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise PipelineError(f"the tokenizer in {folder} cannot be loaded: {error}") from error


def encoder_of(folder: Path, name: str) -> TextEncoder:
    """T5 for a folder of audiocraft's files: from its subfolder `t5`, else from the hub.

    `name`: its name in the checkpoint's config (`t5-base`). Raises `PipelineError` if it is in
    neither place, with what to put where.
    """
    import torch
    from transformers import T5EncoderModel

    place = folder / FOLDER
    if not place.is_dir():
        place = _from_hub(name, place)
    try:
        model, info = T5EncoderModel.from_pretrained(
            place, dtype=torch.float32, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError) as error:
        first_line = str(error).strip().partition("\n")[0]
        raise PipelineError(f"text encoder {place} cannot be loaded: {first_line}") from error
    weights.refuse_incomplete(
        f"text encoder {place}", info, held=weights.names_in(place.glob("*.safetensors")),
        allowed=("encoder.embed_tokens.weight",),
    )  # fmt: skip
    return TextEncoder(model.eval().requires_grad_(False), tokenizer_of(place))


def _from_hub(name: str, place: Path) -> Path:
    wanted = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
              "spiece.model"]  # fmt: skip
    return hub.folder_of(
        name,
        wanted,
        fault=f"the text encoder {name!r} is not in {place}",
        advice="on a machine with a connection download config.json, model.safetensors and "
        f"tokenizer.json from https://huggingface.co/{name} and put them there",
    )
