"""What every foreign SAE is read into, whatever its library calls the tensors.

    z = keep((normalise(x) − b_dec) W_enc + b_enc)     and     x̂ = z W_dec + b_dec

b_dec is subtracted only where `subtracts_b_dec`. `keep` is the k largest of a frame, or those over
a threshold, and ReLU after it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.errors import PipelineError

NORMALISATIONS = ("none", "layer_norm", "constant_norm_rescale")
"""What an SAE may do to each frame before it reads it; see `pipeline.sae.adopted`."""


@dataclass(frozen=True)
class Foreign:
    """An SAE of another library; shapes as in `pipeline.sae.model`."""

    library: str
    architecture: str
    """As the library calls it."""
    W_enc: Tensor
    b_enc: Tensor
    W_dec: Tensor
    b_dec: Tensor
    hook: str | None
    """Where it reads, as its library names the place; None where the checkpoint does not say."""
    k: int | None = None
    """Latents per frame; with a threshold, what it was trained for, if that is known."""
    threshold: Tensor | None = None
    """θ [n]; None for top-k."""
    subtracts_b_dec: bool = True
    norms_first: bool = False
    """Whether pre-activations are multiplied by the norms of W_dec's rows before `keep`."""
    normalise: str = "none"

    @property
    def shape(self) -> tuple[int, int]:
        """Width of the activations, number of latents."""
        return self.W_dec.shape[1], self.W_dec.shape[0]

    def check(self) -> None:
        """Raise `PipelineError` if a tensor has another shape than the rest implies, or holds a
        number that is not finite."""
        d, n = self.shape
        wanted: dict[str, tuple[int, ...]] = {"W_enc": (d, n), "b_enc": (n,), "b_dec": (d,)}
        for name, shape in (wanted | {"threshold": (n,)}).items():
            tensor = getattr(self, name)
            if tensor is not None and tuple(tensor.shape) != shape:
                raise PipelineError(
                    f"{name} is {tuple(tensor.shape)}; beside a decoder of {n} latents on "
                    f"{d} dimensions it must be {shape}"
                )
        for name in ("W_enc", "b_enc", "W_dec", "b_dec", "threshold"):
            tensor = getattr(self, name)
            if tensor is not None and not bool(torch.isfinite(tensor).all()):
                raise PipelineError(f"{name} holds numbers that are not finite")
        k = self.k if isinstance(self.k, int) and not isinstance(self.k, bool) else 0
        if not 0 < k <= n and not (self.threshold is not None and self.k is None):
            raise PipelineError(f"its k is {self.k}; it must be from 1 to its {n} latents")


def tensors_in(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file in float32."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        held = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise PipelineError(f"{path.name} is not a safetensors file: {error}") from error
    return {name: tensor.float() for name, tensor in held.items()}


def taken(held: Mapping[str, Tensor], needed: Collection[str], where: str) -> list[Tensor]:
    """The tensors `needed`, in that order; raises `PipelineError` if one is missing, or if there
    is any other, whose effect would be unknown."""
    missing = [name for name in needed if name not in held]
    if missing:
        raise PipelineError(f"{where} lacks the tensor {', '.join(missing)}")
    unknown = sorted(set(held) - set(needed))
    if unknown:
        raise PipelineError(
            f"{where} holds the tensor {', '.join(unknown)}, which Earwitness does not understand"
        )
    found = [held[name].contiguous() for name in needed]
    for name, tensor in zip(needed, found, strict=True):
        wanted = 2 if name.rpartition(".")[2] in MATRICES else 1
        if tensor.ndim != wanted and not (name in CUTS and tensor.ndim == 0):
            raise PipelineError(f"{where}: {name} has {tensor.ndim} dimensions, not {wanted}")
    return found


def for_all(threshold: Tensor, like: Tensor) -> Tensor:
    """A threshold of each latent [n], where one of all may be given."""
    one = threshold.reshape(-1)
    return one.expand(len(like)).contiguous() if len(one) == 1 else one


def refuse_unknown(cfg: Mapping[str, Any], known: Collection[str], where: str) -> None:
    """Raise `PipelineError` for a setting that is not known, unless it is switched off."""
    unknown = [name for name in cfg if name not in known and cfg[name] not in (None, False)]
    if unknown:
        raise PipelineError(
            f"{where} sets {unknown[0]} = {cfg[unknown[0]]!r:.60}, which Earwitness does not "
            "understand; it may change what fires"
        )


def object_in(path: Path) -> dict[str, Any]:
    """The JSON object in a file."""
    from pipeline.files.text import read_json

    found = read_json(path)
    if not isinstance(found, dict):
        raise PipelineError(f"{path.name} holds no JSON object")
    return found


MATRICES = ("W_enc", "W_dec", "weight")
CUTS = ("threshold", "topk_threshold")


# The output of block N, as TransformerLens, transformers, sparsify and dictionary_learning name it.
PLACES = (
    re.compile(r"decoder\.layers\.(?P<block>\d+)\.resid_(?P<site>pre|post)"),
    re.compile(r"blocks\.(?P<block>\d+)\.hook_resid_(?P<site>pre|post)"),
    re.compile(r"resid_(?P<site>pre|post)_layer_(?P<block>\d+)"),
    re.compile(r"(?:\w+\.)*(?:layers|blocks|h)\.(?P<block>\d+)"),
)


def hookpoint_of(hook: str) -> str | None:
    """The hookpoint that a library's name means; None if it is no place that Earwitness reads."""
    for place in PLACES:
        found = place.fullmatch(hook)
        if found is not None:
            site = found.groupdict().get("site") or "post"
            return f"decoder.layers.{int(found['block'])}.resid_{site}"
    return None


def refuse_another_hook(hook: str | None, hookpoint: str, confirmed: str) -> None:
    """Raise `PipelineError` if a checkpoint says that it reads elsewhere than at `hookpoint`.

    `confirmed`: the checkpoint's own name for the place, where the user says that it is this one.
    """
    if hook is None or hook == confirmed or hookpoint_of(hook) == hookpoint:
        return
    meant = hookpoint_of(hook)
    if meant is not None:
        same = "" if hook == meant else f" ({meant})"
        raise PipelineError(f"the checkpoint belongs to {hook}{same}, not to {hookpoint}")
    raise PipelineError(
        f"the checkpoint belongs to {hook!r}, a name that Earwitness does not know; if that is "
        f"{hookpoint}, say so with --hook {hook!r} (in a config: [sae] checkpoint_hook)"
    )
