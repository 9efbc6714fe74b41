"""The language model: audiocraft's `LMModel` and transformers' `MusicgenForCausalLM`.

audiocraft stores an attention's three input projections as one matrix, [query; key; value] along
the first axis.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    import torch

Tensors = dict[str, "torch.Tensor"]

CONDITIONER = "condition_provider.conditioners.description."
BLOCK_NAMES = {
    "norm1": "self_attn_layer_norm",
    "norm_cross": "encoder_attn_layer_norm",
    "norm2": "final_layer_norm",
    "linear1": "fc1",
    "linear2": "fc2",
}
ATTENTION_NAMES = {"self_attn": "self_attn", "cross_attention": "encoder_attn"}
PROJECTIONS = ("q_proj", "k_proj", "v_proj")

PLAIN = {
    "norm": "layer_norm",
    "positional_embedding": "sin",
    "positional_scale": 1.0,
    "max_period": 10_000,
    "layer_scale": None,
    "past_context": None,
    "qk_layer_norm": False,
    "qk_layer_norm_cross": False,
    "kv_repeat": 1,
    "xpos": False,
    "causal": True,
}
"""Properties of transformers' decoder; it cannot represent an audiocraft model that differs."""
NO_DEFAULTS = {"norm_first": True, "bias_attn": False, "bias_ff": False, "bias_proj": False}
"""The same, where audiocraft's default is the other value, which applies if the config omits it."""


def to_transformers(state: Mapping[str, torch.Tensor]) -> Tensors:
    """Tensors under the names of `MusicgenForCausalLM`, and `enc_to_dec_proj.*` where the model
    has a text conditioner."""
    import torch

    renamed: Tensors = {}
    for name, tensor in state.items():
        if ".in_proj_" in name:
            # [query; key; value] of 3 d rows into three matrices of d rows.
            stem, _, kind = name.rpartition(".in_proj_")
            parts = torch.chunk(tensor, 3, dim=0)
            for projection, part in zip(PROJECTIONS, parts, strict=True):
                renamed[f"{_block_name(stem)}.{projection}.{kind}"] = part.contiguous()
        elif (target := _plain_name(name)) is not None:
            renamed[target] = tensor
    return renamed


def to_audiocraft(state: Mapping[str, torch.Tensor], n_blocks: int) -> Tensors:
    """The inverse, for tensors without the prefix `decoder.`, and `enc_to_dec_proj.*`."""
    import torch

    renamed: Tensors = {}
    for name, tensor in state.items():
        if name.startswith("enc_to_dec_proj."):
            renamed[f"{CONDITIONER}output_proj.{name.rpartition('.')[2]}"] = tensor
        elif name.startswith("lm_heads."):
            renamed[name.replace("lm_heads.", "linears.")] = tensor
        elif name.startswith("model.decoder.embed_tokens."):
            renamed[name.replace("model.decoder.embed_tokens.", "emb.")] = tensor
        elif name.startswith("model.decoder.layer_norm."):
            renamed[name.replace("model.decoder.layer_norm.", "out_norm.")] = tensor
    # Blocks: norms and feed-forward layers are renamed, the three projections joined again.
    for block in range(n_blocks):
        theirs, ours = f"model.decoder.layers.{block}.", f"transformer.layers.{block}."
        for mine, its in BLOCK_NAMES.items():
            for kind in _kinds(state, f"{theirs}{its}"):
                renamed[f"{ours}{mine}.{kind}"] = state[f"{theirs}{its}.{kind}"]
        for mine, its in ATTENTION_NAMES.items():
            for kind in _kinds(state, f"{theirs}{its}.out_proj"):
                parts = [state[f"{theirs}{its}.{p}.{kind}"] for p in PROJECTIONS]
                renamed[f"{ours}{mine}.in_proj_{kind}"] = torch.cat(parts)
                renamed[f"{ours}{mine}.out_proj.{kind}"] = state[f"{theirs}{its}.out_proj.{kind}"]
    return renamed


def decoder_config(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """transformers' decoder config for audiocraft's training config.

    Raises `PipelineError` if transformers' decoder cannot represent the model, such as the
    post-norm blocks with biases of audiocraft's defaults, which no published MusicGen has.
    """
    lm = dict(cfg["transformer_lm"])
    _refuse_unlike(cfg, lm)
    return {
        "model_type": "musicgen_decoder",
        "vocab_size": int(lm["card"]),
        "max_position_embeddings": 2048,
        "num_hidden_layers": int(lm["num_layers"]),
        "ffn_dim": int(lm.get("hidden_scale", 4) * lm["dim"]),
        "num_attention_heads": int(lm["num_heads"]),
        "layerdrop": 0.0,
        "use_cache": True,
        "activation_function": lm.get("activation") or "relu",
        "hidden_size": int(lm["dim"]),
        "dropout": float(lm.get("dropout", 0.1)),
        "attention_dropout": float(lm.get("attention_dropout") or lm.get("dropout", 0.1)),
        "activation_dropout": 0.0,
        "initializer_factor": 0.02,
        "scale_embedding": False,
        "num_codebooks": int(lm["n_q"]),
        "audio_channels": 1,
        "pad_token_id": int(lm["card"]),
        "bos_token_id": int(lm["card"]),
        "eos_token_id": None,
        "tie_word_embeddings": False,
    }


def training_config(decoder: Mapping[str, Any], guidance: float) -> dict[str, Any]:
    """The part of audiocraft's `xp.cfg` that its loader reads, for transformers' decoder config."""
    codebooks = int(decoder["num_codebooks"])
    return {
        "lm_model": "transformer_lm",
        "dtype": "float32",
        "device": "cpu",
        "dataset": {"segment_duration": 30},
        "transformer_lm": {
            "n_q": codebooks,
            "card": int(decoder["vocab_size"]),
            "dim": int(decoder["hidden_size"]),
            "num_heads": int(decoder["num_attention_heads"]),
            "num_layers": int(decoder["num_hidden_layers"]),
            "hidden_scale": decoder["ffn_dim"] / decoder["hidden_size"],
            "activation": decoder["activation_function"],
            "dropout": float(decoder["dropout"]),
            "norm_first": True,
            "bias_proj": False,
            "bias_ff": False,
            "bias_attn": False,
            "causal": True,
            "custom": True,
            "memory_efficient": False,
            "norm": "layer_norm",
            "positional_embedding": "sin",
        },
        "codebooks_pattern": {
            "modeling": "delay",
            "delay": {"delays": list(range(codebooks)), "flatten_first": 0, "empty_initial": 0},
        },
        "attribute_dropout": {},
        "classifier_free_guidance": {"training_dropout": 0.3, "inference_coef": guidance},
        "conditioners": {
            "description": {
                "model": "t5",
                "t5": {"name": "t5-base", "finetune": False, "word_dropout": 0.0},
            }
        },
        "fuser": {
            "sum": [], "prepend": [], "cross": ["description"], "input_interpolate": [],
            "cross_attention_pos_emb": False, "cross_attention_pos_emb_scale": 1,
        },
    }  # fmt: skip


def _block_name(stem: str) -> str:
    """transformers' name of `transformer.layers.3.self_attn`; without audiocraft's custom attention
    `.mha` comes after it."""
    _, _, block, part = stem.removesuffix(".mha").split(".")
    return f"model.decoder.layers.{block}.{ATTENTION_NAMES[part]}"


def _plain_name(name: str) -> str | None:
    """transformers' name of a tensor that is the same in both; None if it has no such tensor."""
    head, _, rest = name.partition(".")
    if head == "emb":
        return f"model.decoder.embed_tokens.{rest}"
    if head == "linears":
        return f"lm_heads.{rest}"
    if head == "out_norm":
        return f"model.decoder.layer_norm.{rest}"
    if name.startswith(f"{CONDITIONER}output_proj."):
        return f"enc_to_dec_proj.{name.rpartition('.')[2]}"
    if head != "transformer":
        return None
    _, _, block, part, *last = [*name.replace(".mha.", ".").split("."), "", ""]
    last = [one for one in last if one]
    known = BLOCK_NAMES | ATTENTION_NAMES
    if part not in known:
        raise PipelineError(f"audiocraft's tensor {name} has no counterpart in transformers")
    return ".".join(("model.decoder.layers", block, known[part], *last))


def _kinds(state: Mapping[str, torch.Tensor], stem: str) -> Iterator[str]:
    return (kind for kind in ("weight", "bias") if f"{stem}.{kind}" in state)


def _refuse_unlike(cfg: Mapping[str, Any], lm: Mapping[str, Any]) -> None:
    """Raise `PipelineError` that names the difference if the model is not like MusicGen."""
    for name, wanted in PLAIN.items():
        found = lm.get(name, wanted)
        if found != wanted:
            raise PipelineError(
                f"the language model has {name} {found!r}; MusicGen's is {wanted!r}"
            )
    for name, wanted in NO_DEFAULTS.items():
        if bool(lm.get(name, not wanted)) != wanted:
            raise PipelineError(
                f"the language model has {name} {not wanted} (audiocraft's default); MusicGen's "
                f"is {wanted}"
            )
    pattern = cfg.get("codebooks_pattern", {})
    delays = (pattern.get("delay") or {}).get("delays") or list(range(lm["n_q"]))
    if pattern.get("modeling") != "delay" or list(delays) != list(range(lm["n_q"])):
        raise PipelineError(
            f"the language model interleaves its codebooks by {pattern.get('modeling')!r} with "
            f"delays {delays}; only a delay of one frame per codebook is supported"
        )
    if (cfg.get("interleave_stereo_codebooks") or {}).get("use"):
        raise PipelineError("the subject has 2 audio channels; only mono is supported")
    fuser = cfg.get("fuser") or {}
    for way in ("prepend", "sum", "input_interpolate"):
        if fuser.get(way):
            raise PipelineError(
                f"the subject takes {', '.join(fuser[way])} by the fuser's {way}; only text by "
                "cross-attention is read"
            )
    others = set(cfg.get("conditioners") or {}) - {"description", "args"}
    if others:
        raise PipelineError(
            f"the subject is conditioned by {', '.join(sorted(others))}; only text is supported"
        )
