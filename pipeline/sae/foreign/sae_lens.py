"""Reads SAELens' checkpoints: `cfg.json` and `sae_weights.safetensors`, of version 6 and before.

Followed: sae_lens/saes/{sae,topk_sae,jumprelu_sae,standard_sae,batchtopk_sae}.py of 6.54.12, and
`handle_pre_6_0_config`. A batch top-k SAE that was saved in training is read as SAELens finishes
one: with the threshold that its training kept, whatever else is in the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.errors import PipelineError
from pipeline.sae.foreign.parts import (
    NORMALISATIONS,
    Foreign,
    for_all,
    object_in,
    refuse_unknown,
    taken,
    tensors_in,
)

ARCHITECTURES = ("topk", "jumprelu", "standard", "batchtopk", "matryoshka_batchtopk")
READ = (
    "architecture", "d_in", "d_sae", "k", "dtype", "device", "apply_b_dec_to_input",
    "normalize_activations", "reshape_activations", "rescale_acts_by_decoder_norm", "metadata",
)  # fmt: skip
IN_TRAINING = (
    "decoder_init_norm", "use_sparse_activations", "aux_loss_coefficient", "topk_threshold_lr",
    "l1_coefficient", "lp_norm", "l1_warm_up_steps", "jumprelu_init_threshold",
    "jumprelu_bandwidth", "jumprelu_sparsity_loss_mode", "l0_coefficient", "l0_warm_up_steps",
    "pre_act_loss_coefficient", "jumprelu_tanh_scale", "jumprelu_ste_to_input", "target_l0",
    "matryoshka_widths", "matryoshka_inner_loss_normalization", "use_matryoshka_aux_loss",
)  # fmt: skip
"""Settings of the training, which change nothing of what a trained SAE does."""
FACTOR = "activation_scaler.json"


def read(folder: Path) -> Foreign:
    """The SAE in a folder; raises `PipelineError` on anything that is not understood."""
    cfg = _modern(object_in(folder / "cfg.json"))
    architecture = cfg.get("architecture")
    if architecture not in ARCHITECTURES:
        raise PipelineError(
            f"its architecture is {architecture!r}; known: {', '.join(ARCHITECTURES)}"
        )
    refuse_unknown(cfg, (*READ, *IN_TRAINING), "cfg.json")
    if cfg.get("reshape_activations", "none") != "none":
        raise PipelineError("it reads attention heads (reshape_activations), not a hookpoint")
    names = ["W_enc", "b_enc", "W_dec", "b_dec"]
    cut = {"jumprelu": "threshold"}.get(architecture, "topk_threshold")
    if architecture not in ("topk", "standard"):
        names.append(cut)
    encoder, b_enc, decoder, b_dec, *theta = taken(
        tensors_in(folder / "sae_weights.safetensors"), names, "sae_weights.safetensors"
    )
    k = cfg.get("k")
    found = Foreign(
        library="SAELens", architecture=architecture,
        W_enc=encoder, b_enc=b_enc, W_dec=decoder, b_dec=b_dec,
        hook=_hook(cfg), k=round(k) if isinstance(k, int | float) else None,
        threshold=_threshold(architecture, theta, b_enc),
        subtracts_b_dec=bool(cfg.get("apply_b_dec_to_input", True)),
        # SAELens itself reads this setting for these only.
        norms_first="topk" in architecture and bool(cfg.get("rescale_acts_by_decoder_norm")),
        normalise=_normalisation(cfg),
    )  # fmt: skip
    return _scaled(found, folder)


def _threshold(architecture: str, theta: list[Tensor], b_enc: Tensor) -> Tensor | None:
    """θ [n]; ReLU is a threshold of 0."""
    if architecture == "topk":
        return None
    return for_all(theta[0], b_enc) if theta else torch.zeros_like(b_enc)


def _hook(cfg: Mapping[str, Any]) -> str | None:
    metadata = cfg.get("metadata") or {}
    if metadata.get("hook_head_index") is not None:
        raise PipelineError("it reads one attention head (hook_head_index), not a hookpoint")
    hook = metadata.get("hook_name")
    return hook if isinstance(hook, str) and hook else None


def _normalisation(cfg: Mapping[str, Any]) -> str:
    name = cfg.get("normalize_activations") or "none"
    if name not in (*NORMALISATIONS, "expected_average_only_in"):
        raise PipelineError(
            f"its normalize_activations is {name!r}; known: {', '.join(NORMALISATIONS)}, "
            "expected_average_only_in"
        )
    return str(name)


def _scaled(found: Foreign, folder: Path) -> Foreign:
    """The SAE with SAELens' factor folded in, as `fold_activation_norm_scaling_factor` does.

    Under `expected_average_only_in` activations were multiplied by one factor in training; the
    factor is either folded into the weights, and the setting then is "none", or lies beside them.
    """
    if found.normalise != "expected_average_only_in":
        return found
    path = folder / FACTOR
    factor = object_in(path).get("scaling_factor") if path.is_file() else None
    if not isinstance(factor, int | float) or not factor > 0:
        raise PipelineError(
            "it was trained under normalize_activations = 'expected_average_only_in' and its "
            f"factor is neither folded in nor in {FACTOR}; fold it in SAELens "
            "(fold_activation_norm_scaling_factor) and save it again"
        )
    threshold = found.threshold
    if threshold is not None and found.norms_first:
        threshold = threshold / factor
    return replace(
        found, W_enc=found.W_enc * factor, W_dec=found.W_dec / factor, b_dec=found.b_dec / factor,
        threshold=threshold, normalise="none",
    )  # fmt: skip


def _modern(cfg: dict[str, Any]) -> dict[str, Any]:
    """A configuration from before version 6, which has no `metadata`, in the names of now."""
    if isinstance(cfg.get("metadata"), dict):
        return cfg
    if cfg.get("finetuning_scaling_factor"):
        raise PipelineError("it has a finetuning_scaling_factor, which SAELens 6 no longer reads")
    activation = cfg.get("activation_fn_str", cfg.get("activation_fn", "relu"))
    architecture, arguments = cfg.get("architecture", "standard"), cfg.get("activation_fn_kwargs")
    k = (arguments or {}).get("k") if isinstance(arguments, dict) else None
    if activation == "topk" and architecture in ("standard", "topk"):
        architecture = "topk"
    elif activation != "relu":
        raise PipelineError(f"its activation_fn is {activation!r} in the architecture "
                            f"{architecture!r}; known: relu, topk")  # fmt: skip
    normalise = cfg.get("normalize_activations")
    if isinstance(normalise, bool):
        normalise = "expected_average_only_in" if normalise else "none"
    hook = cfg.get("hook_name", cfg.get("hook_point"))
    kept = ("d_in", "d_sae", "dtype", "reshape_activations", "rescale_acts_by_decoder_norm")
    return {
        **{name: cfg[name] for name in kept if name in cfg},
        "architecture": architecture,
        "k": cfg.get("k", k),
        "apply_b_dec_to_input": cfg.get("apply_b_dec_to_input", True),
        "normalize_activations": normalise,
        "metadata": {
            "hook_name": hook,
            "hook_head_index": cfg.get("hook_head_index", cfg.get("hook_point_head_index")),
        },
    }
