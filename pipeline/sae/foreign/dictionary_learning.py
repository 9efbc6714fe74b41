"""Reads dictionary_learning's checkpoints: `config.json` and `ae.pt`.

Followed: dictionary_learning/dictionary.py, trainers/{top_k,batch_top_k,matryoshka_batch_top_k}.py
of 0.1.0. `ae.pt` is loaded as plain tensors only. Batch top-k SAEs use the threshold that their
training stored, as the library does by default.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.errors import PipelineError
from pipeline.sae.foreign.parts import Foreign, for_all, object_in, taken

LINEAR = ("encoder.weight", "encoder.bias", "decoder.weight")
OWN = ("W_enc", "b_enc", "W_dec", "b_dec")


def read(folder: Path) -> Foreign:
    """The SAE in a folder; raises `PipelineError` on anything that is not understood."""
    trainer = object_in(folder / "config.json").get("trainer")
    if not isinstance(trainer, dict):
        raise PipelineError("config.json has no trainer, which says of which class the SAE is")
    kind = trainer.get("dict_class")
    if not isinstance(kind, str) or kind not in CLASSES:
        raise PipelineError(f"its dict_class is {kind!r}; known: {', '.join(CLASSES)}")
    held = _plain_tensors(folder / "ae.pt")
    k = _k(trainer, held)
    return Foreign(
        library="dictionary_learning", architecture=kind, hook=_hook(trainer), k=k,
        **CLASSES[kind](held),
    )  # fmt: skip


def _plain_tensors(path: Path) -> dict[str, Tensor]:
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        # torch's text runs over many lines and advises to load the file with less care.
        raise PipelineError(f"{path.name} holds more than plain tensors, or is damaged") from error
    if not isinstance(held, dict) or not all(isinstance(one, Tensor) for one in held.values()):
        raise PipelineError(f"{path.name} is not a dictionary of tensors")
    return {str(name): tensor.float() for name, tensor in held.items()}


def _k(trainer: dict[str, Any], held: dict[str, Tensor]) -> int | None:
    """k from the config and the weights, which must agree; taken out of `held`."""
    stored = held.pop("k", None)
    given = trainer.get("k")
    if stored is None:
        return given if isinstance(given, int) else None
    if stored.numel() != 1:
        raise PipelineError(f"its k in ae.pt has {stored.numel()} values, not one")
    if given is not None and float(stored) != given:
        raise PipelineError(f"its k is {given} in config.json and {float(stored):g} in ae.pt")
    return int(stored)


def _hook(trainer: dict[str, Any]) -> str | None:
    """The submodule's name; without one, the output of the layer."""
    name, layer = trainer.get("submodule_name"), trainer.get("layer")
    if isinstance(name, str) and name:
        return name
    return f"layers.{layer}" if isinstance(layer, int) else None


def _top_k(held: dict[str, Tensor]) -> dict[str, Any]:
    held.pop("threshold", None)  # only used where `encode` is told to
    return _linear(held, "b_dec")


def _linear(held: dict[str, Tensor], bias: str) -> dict[str, Any]:
    weight, b_enc, decoder, b_dec = taken(held, (*LINEAR, bias), "ae.pt")
    return {"W_enc": weight.T, "b_enc": b_enc, "W_dec": decoder.T, "b_dec": b_dec}


def _batch_top_k(held: dict[str, Tensor]) -> dict[str, Any]:
    threshold = _one_threshold(held, "encoder.bias")
    return _linear(held, "b_dec") | {"threshold": threshold}


def _matryoshka(held: dict[str, Tensor]) -> dict[str, Any]:
    threshold = _one_threshold(held, "b_enc")
    held.pop("group_sizes", None)  # all groups are active in a finished SAE
    return _own(held) | {"threshold": threshold}


def _own(held: dict[str, Tensor]) -> dict[str, Any]:
    return dict(zip(OWN, taken(held, OWN, "ae.pt"), strict=True))


def _one_threshold(held: dict[str, Tensor], like: str) -> Tensor:
    """The threshold of all latents [n], taken out of `held`."""
    if "threshold" not in held or like not in held:
        raise PipelineError("ae.pt lacks its threshold: without one, what fires depends on a batch")
    return for_all(held.pop("threshold"), held[like].reshape(-1))


def _jump_relu(held: dict[str, Tensor]) -> dict[str, Any]:
    *own, threshold = taken(held, (*OWN, "threshold"), "ae.pt")
    # `apply_b_dec_to_input` is not stored, and is False in every one that is loaded from a file.
    return dict(zip(OWN, own, strict=True)) | {"threshold": threshold, "subtracts_b_dec": False}


def _standard(held: dict[str, Tensor]) -> dict[str, Any]:
    parts = _linear(held, "bias")
    return parts | {"threshold": torch.zeros_like(parts["b_enc"])}


def _standard_new(held: dict[str, Tensor]) -> dict[str, Any]:
    parts = _linear(held, "decoder.bias")
    return parts | {"threshold": torch.zeros_like(parts["b_enc"]), "subtracts_b_dec": False}


CLASSES: dict[str, Callable[[dict[str, Tensor]], dict[str, Any]]] = {
    "AutoEncoderTopK": _top_k,
    "BatchTopKSAE": _batch_top_k,
    "MatryoshkaBatchTopKSAE": _matryoshka,
    "JumpReluAutoEncoder": _jump_relu,
    "AutoEncoder": _standard,
    "AutoEncoderNew": _standard_new,
}
