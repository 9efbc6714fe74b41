"""The captioners that transformers knows: where their files are, and how one is asked.

To add a family: a line in `FAMILIES`, if its processor takes a text with one mark per sound.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline import devices
from pipeline.config import CaptionerConfig
from pipeline.errors import PipelineError
from pipeline.files import hub, weights
from pipeline.files.hashing import of_files
from pipeline.files.text import read_json

Sounds = Sequence[npt.NDArray[np.float32]]
FILES = ("*.json", "*.safetensors", "*.txt", "*.jinja", "*.model")
NEEDED = ("config.json", "tokenizer_config.json", "*processor_config.json", "*.safetensors")
PREFILL = '{"concepts": [{"name": "'
"""The beginning of every answer, given to the model: many captioners write prose otherwise."""


@dataclass(frozen=True)
class Family:
    """How a type of model is loaded and asked."""

    model: str
    """Its class in transformers."""
    apart: bool
    """Whether each clip is a sound of its own, since the model hears at most 30 s of a sound.
    Otherwise the clips are one sound, since it takes one per question."""


FAMILIES = {
    "audioflamingo3": Family("AudioFlamingo3ForConditionalGeneration", apart=False),
    "musicflamingo": Family("MusicFlamingoForConditionalGeneration", apart=False),
    "qwen2_audio": Family("Qwen2AudioForConditionalGeneration", apart=True),
    # The part of an omni model that hears and writes, without the one that speaks.
    "qwen2_5_omni": Family("Qwen2_5OmniThinkerForConditionalGeneration", apart=True),
    "qwen2_5_omni_thinker": Family("Qwen2_5OmniThinkerForConditionalGeneration", apart=True),
    "qwen3_omni_moe": Family("Qwen3OmniMoeThinkerForConditionalGeneration", apart=True),
    "qwen3_omni_moe_thinker": Family("Qwen3OmniMoeThinkerForConditionalGeneration", apart=True),
}


def model_of(config: CaptionerConfig, variant: str) -> str:
    """The entry of `[captioner] models` that a method asks; `captioner` asks the first.

    Raises `PipelineError` if there is none of that name.
    """
    if not config.models:
        raise PipelineError(
            "captioner needs a model: set [captioner] models to folders or hub names, such as "
            "Qwen/Qwen2-Audio-7B-Instruct"
        )
    named = {short(model): model for model in reversed(config.models)}
    if variant and variant not in named:
        raise PipelineError(
            f"[captioner] models has none called {variant!r}; it has: {', '.join(named)}"
        )
    return named[variant] if variant else config.models[0]


def short(model: str) -> str:
    """The last part of a folder's or hub name, as the variant of a method: `Qwen2-Audio-7B`."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", model.rstrip("/").rpartition("/")[2])


def ready(model: str) -> None:
    """Raise `PipelineError` if a model's files are missing or of no known family; the hub is not
    asked."""
    if _is_local(model) or os.environ.get("HF_HUB_OFFLINE"):
        family_of(folder_of(model))


def fingerprint(model: str) -> str:
    """SHA-256 over config, processor, tokenizer and weights."""
    folder = folder_of(model)
    return of_files(folder, [path.name for name in FILES for path in folder.glob(name)])


def folder_of(model: str) -> Path:
    """The folder with the model's files, fetched from the hub if it is a hub name.

    Raises `PipelineError` if it lacks config or weights, or the hub cannot be reached.
    """
    folder = Path(model).expanduser() if _is_local(model) else _from_hub(model)
    for name in NEEDED:
        if not any(folder.glob(name)):
            raise PipelineError(f"captioner folder {folder} has no {name}")
    weights.refuse_adapter(folder)
    return folder


def family_of(folder: Path) -> Family:
    """The family of the model in a folder; raises `PipelineError` if it is not known."""
    config = read_json(folder / "config.json")
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind not in FAMILIES:
        raise PipelineError(
            f"captioner folder {folder} holds a model of type {kind}; known: {', '.join(FAMILIES)}"
        )
    return FAMILIES[kind]


def _is_local(model: str) -> bool:
    return Path(model).expanduser().is_dir() or model.startswith((".", "/", "~"))


def _from_hub(name: str) -> Path:
    return hub.folder_of(
        name,
        list(FILES),
        fault=f"captioner {name!r} is no folder here",
        advice="put its files into a folder and name it in [captioner] models",
    )


class Captioner:
    """A captioner, loaded on a device. It answers greedily, so that equal questions get equal
    answers."""

    def __init__(self, model: str, config: CaptionerConfig, device: str) -> None:
        import transformers

        devices.require(device)
        transformers.logging.disable_progress_bar()  # ours is the only bar on the screen
        folder = folder_of(model)
        self.family = family_of(folder)
        self._config, self._device = config, device
        self._processor: Any = transformers.AutoProcessor.from_pretrained(
            folder, local_files_only=True
        )
        loading: Any = getattr(transformers, self.family.model).from_pretrained
        loaded, info = loading(
            folder, local_files_only=True, use_safetensors=True, dtype=config.dtype,
            output_loading_info=True,
        )  # fmt: skip
        weights.refuse_incomplete(
            f"captioner folder {folder}", info, held=weights.names_in(folder.glob("*.safetensors"))
        )
        self._model: Any = loaded.to(device).eval()
        self.sample_rate = int(self._processor.feature_extractor.sampling_rate)

    def answer(self, prompt: str, sounds: Sounds) -> tuple[str, bool]:
        """The text that the model writes, `PREFILL` included, and whether the limit cut it off.

        Sounds: one array [sample] each, at `sample_rate`.
        """
        import torch

        inputs = self._inputs(prompt, sounds)
        with torch.inference_mode():
            # [1, token]: the question's tokens, then the answer's.
            tokens = self._model.generate(
                **inputs, max_new_tokens=self._config.max_tokens, do_sample=False
            )
        written = tokens[0, inputs["input_ids"].shape[1] :]
        text = self._processor.tokenizer.decode(written, skip_special_tokens=True)
        return PREFILL + text, len(written) >= self._config.max_tokens

    def _inputs(self, prompt: str, sounds: Sounds) -> Any:
        content: list[dict[str, Any]] = [{"type": "audio", "audio": ""} for _ in sounds]
        message = {"role": "user", "content": [*content, {"type": "text", "text": prompt}]}
        text = self._processor.apply_chat_template(
            [message], add_generation_prompt=True, tokenize=False
        )
        # Without `padding`: the extractor then fills a sound to the length that the encoder takes.
        made = self._processor(
            text=[text + PREFILL], audio=list(sounds), sampling_rate=self.sample_rate,
            return_tensors="pt",
        ).to(self._device)  # fmt: skip
        # Spectrograms are float32; the weights may not be.
        kind = self._model.dtype
        return {
            name: one.to(kind) if one.is_floating_point() else one for name, one in made.items()
        }
