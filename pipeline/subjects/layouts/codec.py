"""The codec: audiocraft's `EncodecModel` and transformers', which differ in names only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import ceil, log2, prod
from typing import TYPE_CHECKING, Any

from pipeline.errors import PipelineError
from pipeline.files.weights import OLD_NORM

if TYPE_CHECKING:
    import torch

Tensors = dict[str, "torch.Tensor"]

SEANET = {
    "channels": "audio_channels", "dimension": "hidden_size", "n_filters": "num_filters",
    "n_residual_layers": "num_residual_layers", "ratios": "upsampling_ratios",
    "kernel_size": "kernel_size", "residual_kernel_size": "residual_kernel_size",
    "last_kernel_size": "last_kernel_size", "dilation_base": "dilation_growth_rate",
    "causal": "use_causal_conv", "pad_mode": "pad_mode", "compress": "compress",
    "lstm": "num_lstm_layers",
}  # fmt: skip
"""audiocraft's arguments of its networks to transformers' config keys."""
SEANET_DEFAULTS: dict[str, Any] = {
    "channels": 1, "dimension": 128, "n_filters": 32, "n_residual_layers": 3,
    "ratios": [8, 5, 4, 2], "kernel_size": 7, "residual_kernel_size": 3, "last_kernel_size": 7,
    "dilation_base": 2, "causal": False, "pad_mode": "reflect", "compress": 2, "lstm": 0,
    "true_skip": True, "norm": "none",
}  # fmt: skip
PLAIN = {
    "activation": "ELU", "activation_params": {"alpha": 1.0}, "disable_norm_outer_blocks": 0,
    "final_activation": None,
}  # fmt: skip


def seanet_arguments(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """audiocraft's arguments of both networks, with its defaults.

    Raises `PipelineError` if encoder and decoder differ, or if it is not an EnCodec.
    """
    if cfg.get("compression_model") != "encodec":
        raise PipelineError(f"the codec is {cfg.get('compression_model')!r}; only encodec is read")
    given = {k: v for k, v in cfg["seanet"].items() if k not in ("encoder", "decoder")}
    for side in ("encoder", "decoder"):
        own = {k: v for k, v in (cfg["seanet"].get(side) or {}).items() if v is not None}
        unlike = {k for k, v in own.items() if k != "trim_right_ratio" and given.get(k, v) != v}
        if unlike:
            raise PipelineError(
                f"the codec's encoder and decoder differ in {', '.join(sorted(unlike))}"
            )
        given.update(own)
    for name, wanted in PLAIN.items():
        if given.get(name, wanted) != wanted:
            raise PipelineError(f"the codec has {name} {given[name]!r}; EnCodec's is {wanted!r}")
    arguments = SEANET_DEFAULTS | given
    if arguments["norm"] != "weight_norm":
        raise PipelineError(
            f"the codec's convolutions have the norm {arguments['norm']!r}; EnCodec's is "
            "'weight_norm'"
        )
    if not arguments["lstm"]:
        raise PipelineError("the codec has no LSTM; EnCodec has one in encoder and decoder")
    return arguments


def codec_config(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """transformers' config for audiocraft's."""
    seanet = seanet_arguments(cfg)
    rate, hop = int(cfg["encodec"]["sample_rate"]), prod(seanet["ratios"])
    bins, codebooks = int(cfg["rvq"]["bins"]), int(cfg["rvq"]["n_q"])
    bits = ceil(log2(bins))
    if bins != 2**bits:
        raise PipelineError(f"the codec's codebooks have {bins} entries, which is no power of two")
    translated = {theirs: seanet[ours] for ours, theirs in SEANET.items()}
    return translated | {
        "model_type": "encodec",
        "use_conv_shortcut": not seanet["true_skip"],
        "trim_right_ratio": float(seanet.get("trim_right_ratio", 1.0)),
        "norm_type": "weight_norm",
        "normalize": bool(cfg["encodec"].get("renormalize", False)),
        "sampling_rate": rate,
        "codebook_size": bins,
        "codebook_dim": seanet["dimension"],
        "chunk_length_s": None,
        "overlap": None,
        # Kilobits per second = codebooks × frames per second × bits / 1000. transformers computes
        # the number of codebooks from it, rounding down: 1e-6 more, so that rounding loses none.
        "target_bandwidths": [round(codebooks * ceil(rate / hop) * bits / 1000, 6) + 1e-6],
    }


def training_config(codec: Mapping[str, Any], codebooks: int) -> dict[str, Any]:
    """The part of audiocraft's `xp.cfg` that its loader reads, for transformers' codec config."""
    seanet = {ours: codec[theirs] for ours, theirs in SEANET.items()}
    seanet["ratios"] = list(seanet["ratios"])
    return {
        "compression_model": "encodec",
        "device": "cpu",
        "encodec": {
            "autoencoder": "seanet", "quantizer": "rvq", "sample_rate": codec["sampling_rate"],
            "channels": codec["audio_channels"], "causal": codec["use_causal_conv"],
            "renormalize": codec["normalize"],
        },
        "seanet": seanet | {
            "norm": "weight_norm", "true_skip": not codec["use_conv_shortcut"],
            "encoder": {}, "decoder": {"trim_right_ratio": codec["trim_right_ratio"]},
        },
        "rvq": {"n_q": codebooks, "bins": codec["codebook_size"], "q_dropout": False},
    }  # fmt: skip


def to_transformers(state: Mapping[str, torch.Tensor]) -> Tensors:
    """Tensors under the names of transformers' `EncodecModel`."""
    renamed: Tensors = {}
    for name, tensor in state.items():
        if name.startswith("quantizer."):
            target = name.replace("quantizer.vq.layers", "quantizer.layers")
            renamed[target.replace("._codebook.", ".codebook.")] = tensor
            continue
        # audiocraft wraps each convolution twice: `model.0.conv.conv` is `layers.0.conv`.
        side, _, index, rest = name.split(".", 3)
        rest = re.sub(r"conv(tr)?\.conv(tr)?\.", "conv.", rest)
        for old, new in OLD_NORM.items():
            rest = rest.replace(old, new)
        renamed[f"{side}.layers.{index}.{rest}"] = tensor
    return renamed


def to_audiocraft(state: Mapping[str, torch.Tensor], n_ratios: int, n_residual: int) -> Tensors:
    """The inverse, for tensors without the prefix `audio_encoder.`."""
    # Layers of the decoder's network: convolution, LSTM, then per ratio an ELU, a transposed
    # convolution and the residual blocks.
    transposed = {2 + i * (n_residual + 2) + 1 for i in range(n_ratios)}
    renamed: Tensors = {}
    for name, tensor in state.items():
        if name.startswith("quantizer."):
            target = name.replace("quantizer.layers", "quantizer.vq.layers")
            renamed[target.replace(".codebook.", "._codebook.")] = tensor
            continue
        for old, new in OLD_NORM.items():
            name = name.replace(new, old)
        side, _, index, rest = name.split(".", 3)
        module = "convtr" if side == "decoder" and int(index) in transposed else "conv"
        rest = re.sub(r"(^|\.)conv\.", rf"\1{module}.{module}.", rest)
        renamed[f"{side}.model.{index}.{rest}"] = tensor
    return renamed
