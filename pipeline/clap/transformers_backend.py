"""transformers' `ClapModel`, from a local folder or the hub.

Pitfalls: the embeddings are in `.pooler_output`; the extractor of a checkpoint with fusion marks
one random sound per batch as longer than the window, which is overridden here; a tokenizer whose
files are missing loads silently with five tokens.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.clap.base import Floats32, batches, unit
from pipeline.errors import PipelineError
from pipeline.files import hub, weights
from pipeline.files.hashing import of_files
from pipeline.files.text import read_json

COMPUTED = ("position_ids", "token_type_ids", "relative_position_index")
"""Tensors of positions and indices, which a model computes by itself."""
FILES = ("*.json", "*.safetensors", "*.txt")


class TransformersClap:
    """A `ClapModel` with its extractor and tokenizer."""

    def __init__(self, model: str, *, batch: int = 16, device: str = "cpu") -> None:
        from transformers import AutoFeatureExtractor, AutoTokenizer, ClapModel

        folder = folder_of(model)
        _require_clap(folder / "config.json")
        self._batch, self._device = batch, device
        loading: Any = ClapModel.from_pretrained
        loaded, info = loading(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
        weights.refuse_incomplete(
            f"CLAP folder {folder}", info, held=weights.names_in(folder.glob("*.safetensors")),
            allowed=COMPUTED,
        )  # fmt: skip
        self._model = loaded.float().eval().to(device)
        self._feature_extractor = AutoFeatureExtractor.from_pretrained(
            folder, local_files_only=True
        )
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        needed = self._model.config.text_config.vocab_size
        if len(self._tokenizer) < 0.9 * needed:
            raise PipelineError(
                f"the tokenizer in {folder} has {len(self._tokenizer)} tokens and the model "
                f"{needed}: its files are missing or belong to another model"
            )
        self.sample_rate = int(self._feature_extractor.sampling_rate)
        self.window_seconds = float(self._feature_extractor.max_length_s)

    @staticmethod
    def fingerprint_of(model: str) -> str:
        """SHA-256 over config, extractor, tokenizer and weights."""
        folder = folder_of(model)
        return of_files(folder, [path.name for name in FILES for path in folder.glob(name)])

    @staticmethod
    def ready(model: str) -> None:
        """Raise `PipelineError` if the model's files are missing; the hub is not asked."""
        if is_local(model) or os.environ.get("HF_HUB_OFFLINE"):
            folder_of(model)

    def embed_sounds(self, sounds: Sequence[Floats32]) -> Floats32:
        """[sound, width] of norm 1; see `pipeline.clap.base.Clap`."""
        import torch

        # 1) Log-mel spectrograms, by the extractor; 2) HTSAT and its projection, a batch at a time.
        parts = []
        for some in batches(sounds, self._batch):
            made = self._feature_extractor(
                list(some), sampling_rate=self.sample_rate, return_tensors="pt"
            )
            # No sound is longer than the window: `base.crops` has cut them.
            longer = torch.zeros(len(some), 1, dtype=torch.bool, device=self._device)
            features = made["input_features"].float().to(self._device)
            with torch.inference_mode():
                output = self._model.get_audio_features(input_features=features, is_longer=longer)
            parts.append(output.pooler_output.float().cpu().numpy())
        return unit(np.concatenate(parts))

    def embed_texts(self, texts: Sequence[str]) -> Floats32:
        """[text, width] of norm 1; see `pipeline.clap.base.Clap`."""
        import torch

        # RoBERTa's positions begin at its padding index + 1, so two places are never used.
        limit = int(self._model.config.text_config.max_position_embeddings) - 2
        parts = []
        for some in batches(texts, self._batch):
            made = self._tokenizer(
                list(some), padding=True, truncation=True, max_length=limit, return_tensors="pt"
            )
            made = made.to(self._device)
            with torch.inference_mode():
                output = self._model.get_text_features(
                    input_ids=made["input_ids"], attention_mask=made["attention_mask"]
                )
            parts.append(output.pooler_output.float().cpu().numpy())
        return unit(np.concatenate(parts))


def check(model: str) -> None:
    """Raise `PipelineError` if the folder holds a different kind of model, a config that no model
    can be built from, or files that lack a tensor, without loading the model."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import ClapConfig, ClapModel

    folder = folder_of(model)
    _require_clap(folder / "config.json")
    try:
        config = ClapConfig.from_pretrained(folder, local_files_only=True)
        weights.refuse_unlike(
            f"CLAP folder {folder}", lambda: ClapModel(config),
            weights.names_in(folder.glob("*.safetensors")), allowed=COMPUTED,
        )  # fmt: skip
    except (OSError, ValueError, TypeError, KeyError, StrictDataclassError) as error:
        why = " ".join(str(error).split())[:200]
        raise PipelineError(
            f"CLAP folder {folder}: no model can be built from its config.json: {why}"
        ) from error


def _require_clap(path: Path) -> None:
    """Raise `PipelineError` if a config is not JSON, or is for a different kind of model."""
    config = read_json(path)
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind != "clap":
        raise PipelineError(
            f"{path} is for a model of type {kind}, not clap: [clap] model names the wrong folder"
        )


def is_local(model: str) -> bool:
    """Whether a model is a folder here, or can be nothing else."""
    return Path(model).expanduser().is_dir() or model.startswith((".", "/", "~"))


def folder_of(model: str) -> Path:
    """The folder with the model's files, fetched from the hub if it is a hub name.

    Raises `PipelineError` if it lacks config or weights, or the hub cannot be reached.
    """
    folder = Path(model).expanduser() if is_local(model) else _from_hub(model)
    for name in ("config.json", "preprocessor_config.json", "tokenizer_config.json"):
        if not (folder / name).is_file():
            raise PipelineError(f"CLAP folder {folder} has no {name}")
    if not any(folder.glob("*.safetensors")):
        raise PipelineError(f"CLAP folder {folder} has no safetensors weights")
    return folder


def _from_hub(name: str) -> Path:
    return hub.folder_of(
        name,
        list(FILES),
        fault=f"CLAP model {name!r} is no folder here",
        advice="put its files into a folder and name it in [clap] model",
    )
