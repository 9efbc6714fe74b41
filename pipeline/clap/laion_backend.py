"""laion-clap's own checkpoints (`.pt`), such as the one for music (Wu et al., arXiv 2211.06687).

`[clap] model` is a folder with one checkpoint and RoBERTa's `tokenizer.json`, or the checkpoint
itself with the tokenizer beside it; nothing is fetched. Sizes are read from the weights, which must
fill every parameter of the model. As in the package, sounds are rounded to 16 bits, and short ones
are repeated, then padded; unlike there, none is cropped at random (see `pipeline.clap.base`).
Checkpoints with fusion are refused: they use random crops of longer sounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.clap import laion_modules
from pipeline.clap.base import Floats32, batches
from pipeline.errors import PipelineError
from pipeline.files.hashing import of_files

TOKENS = 77
"""Maximum length of a text; longer ones are truncated."""
TOKENIZER = "tokenizer.json"
WHERE = "https://huggingface.co/lukewys/laion_clap"
WHERE_TOKENIZER = "https://huggingface.co/FacebookAI/roberta-base"


class LaionClap:
    """A checkpoint of laion-clap without fusion: HTSAT for sounds, RoBERTa for texts."""

    def __init__(self, model: str, *, batch: int = 16, device: str = "cpu") -> None:
        checkpoint, tokenizer = files_of(model)
        weights = weights_of(checkpoint)
        self._batch, self._device = batch, device
        try:
            self._model = laion_modules.build(weights)
            self._model.load_state_dict(weights)
        except (KeyError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:300]
            raise PipelineError(
                f"{checkpoint} holds no model of HTSAT and RoBERTa without fusion: {reason}"
            ) from error
        self._model.eval().to(device)
        audio = self._model.audio_cfg
        self.sample_rate = int(audio.sample_rate)
        self.window_seconds = audio.clip_samples / audio.sample_rate
        self._samples = int(audio.clip_samples)
        vocabulary = int(weights["text_branch.embeddings.word_embeddings.weight"].shape[0])
        self._tokenizer = tokenizer_of(tokenizer, vocabulary)

    @staticmethod
    def fingerprint_of(model: str) -> str:
        """SHA-256 over checkpoint and tokenizer; the package must be installed too."""
        laion_modules.check_installed()
        checkpoint, tokenizer = files_of(model)
        return of_files(checkpoint.parent, [checkpoint.name, tokenizer.name])

    @staticmethod
    def ready(model: str) -> None:
        """Raise `PipelineError` if the package or one of the model's files is missing."""
        laion_modules.check_installed()
        files_of(model)

    def embed_sounds(self, sounds: Sequence[Floats32]) -> Floats32:
        """[sound, width]; see `pipeline.clap.base.Clap`."""
        import torch

        parts = []
        for part in batches(sounds, self._batch):
            some = [filled(sound, self._samples) for sound in part]
            given = [
                {"waveform": torch.from_numpy(one), "longer": torch.tensor([False])} for one in some
            ]
            with torch.inference_mode():
                # The package moves its inputs to where the model is.
                parts.append(self._model.get_audio_embedding(given).float().cpu().numpy())
        return np.concatenate(parts)

    def embed_texts(self, texts: Sequence[str]) -> Floats32:
        """[text, width]; see `pipeline.clap.base.Clap`."""
        import torch

        parts = []
        for part in batches(texts, self._batch):
            made = self._tokenizer.encode_batch(list(part))
            given = {
                "input_ids": torch.tensor([one.ids for one in made], device=self._device),
                "attention_mask": torch.tensor(
                    [one.attention_mask for one in made], device=self._device
                ),
            }
            with torch.inference_mode():
                parts.append(self._model.get_text_embedding(given).float().cpu().numpy())
        return np.concatenate(parts)


def filled(sound: Floats32, samples: int) -> Floats32:
    """A sound [sample] as the package prepares it: rounded to 16 bits, repeated as often as it fits
    into `samples` as a whole, then padded with zeros to [samples]."""
    quantised = (np.clip(sound, -1.0, 1.0) * 32767.0).astype(np.int16)
    coarse = (quantised / 32767.0).astype(np.float32)
    repeated = np.tile(coarse, samples // max(1, len(coarse)))
    return np.pad(repeated, (0, samples - len(repeated)))


def files_of(model: str) -> tuple[Path, Path]:
    """Checkpoint and tokenizer; raises `PipelineError` that says what to fetch, and from where."""
    path = Path(model).expanduser()
    found = [path] if path.is_file() else sorted(path.glob("*.pt"))
    if len(found) != 1:
        raise PipelineError(
            f"CLAP folder {path} has {len(found)} checkpoints (*.pt) where one is needed: for "
            f"music put music_audioset_epoch_15_esc_90.14.pt from {WHERE} there"
        )
    tokenizer = found[0].parent / TOKENIZER
    if not tokenizer.is_file():
        raise PipelineError(
            f"CLAP folder {tokenizer.parent} has no {TOKENIZER}: put the one of roberta-base "
            f"there, from {WHERE_TOKENIZER}"
        )
    return found[0], tokenizer


def weights_of(checkpoint: Path) -> dict[str, Any]:
    """The tensors by name, without `module.` before them and without buffers of old versions.

    Nothing but tensors and plain values is unpickled; raises `PipelineError` for anything else.
    """
    import torch
    from numpy._core import multiarray

    # The training script stored its metrics as numpy scalars, which run no code.
    scalars = [(multiarray.scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    allowed: list[Any] = [*scalars, np.dtype, *_scalar_types()]
    try:
        with torch.serialization.safe_globals(allowed):
            whole = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:  # Reading an arbitrary file may raise anything.
        reason = " ".join(str(error).split())[:200]
        raise PipelineError(
            f"{checkpoint} was not read: it is not a checkpoint, or holds more than tensors and "
            f"plain values ({type(error).__name__}: {reason})"
        ) from error
    inner = whole.get("state_dict", whole) if isinstance(whole, dict) else {}
    weights = {str(name).removeprefix("module."): value for name, value in inner.items()}
    if not weights or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise PipelineError(f"{checkpoint} does not hold a state_dict of tensors")
    for name in ("position_ids", "token_type_ids"):
        weights.pop(f"text_branch.embeddings.{name}", None)
    return weights


def _scalar_types() -> list[type]:
    return [type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.bool_)]


def tokenizer_of(path: Path, vocabulary: int) -> Any:
    """RoBERTa's tokenizer, padding to `TOKENS`; raises `PipelineError` if it belongs to another
    model."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    pad = tokenizer.token_to_id("<pad>")
    if tokenizer.get_vocab_size() != vocabulary or pad is None:
        raise PipelineError(
            f"{path} has {tokenizer.get_vocab_size()} tokens and the model {vocabulary}: it is "
            f"another model's; put the one of roberta-base there, from {WHERE_TOKENIZER}"
        )
    tokenizer.enable_truncation(TOKENS)
    tokenizer.enable_padding(length=TOKENS, pad_id=pad, pad_token="<pad>")  # noqa: S106 - no password
    return tokenizer
