"""A random checkpoint in laion-clap's own format, made by the package's own classes, and the same
weights as a `ClapModel` of transformers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.clap import laion_modules
from tests.pipeline.clap.tiny_clap import byte_tokenizer

CHECKPOINT = "music_audioset_epoch_15_esc_90.14.pt"
SIZES: dict[str, Any] = {
    "embed_dim": 16, "patch_size": 4, "patch_stride": (4, 4), "depths": [1, 2, 1, 1],
    "num_heads": [1, 2, 4, 8], "window_size": 8, "mlp_ratio": 2.0,
}  # fmt: skip
WORDS = 768  # The package's projection of texts takes no other width.
POSITIONS = 80


def save_tiny_laion(folder: Path, *, seed: int = 0, fusion: bool = False) -> Path:
    """Checkpoint and tokenizer; with `fusion`, only a name that such checkpoints have."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    state = {f"module.{name}": value for name, value in tiny_model(seed).state_dict().items()}
    state["module.text_branch.embeddings.position_ids"] = torch.arange(POSITIONS)[None]
    if fusion:
        state["module.audio_branch.patch_embed.mel_conv2d.weight"] = torch.zeros(16, 1, 4, 12)
    whole = {
        "epoch": 15, "name": "tiny", "state_dict": state, "optimizer": {"state": {}},
        "esc50": np.float64(0.9),
    }  # fmt: skip
    torch.save(whole, folder / CHECKPOINT)
    return folder


def tiny_model(seed: int = 0) -> Any:
    """The package's CLAP with a small HTSAT and a RoBERTa of one layer, random."""
    import torch
    from transformers import RobertaConfig, RobertaModel

    module = laion_modules.model_module()
    htsat = sys.modules[module.create_htsat_model.__module__]
    plan = laion_modules.settings()
    audio = module.CLAPAudioCfp(**plan["audio_cfg"])
    audio.class_num = 3
    words = RobertaConfig(
        vocab_size=byte_tokenizer().get_vocab_size(), hidden_size=WORDS, num_hidden_layers=1,
        num_attention_heads=12, intermediate_size=32, max_position_embeddings=POSITIONS,
        type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1,
    )  # fmt: skip

    class Words:
        @staticmethod
        def from_pretrained(_name: str) -> Any:
            return RobertaModel(words)

    def made(*_: Any) -> Any:
        return htsat.HTSAT_Swin_Transformer(num_classes=3, config=audio, **SIZES)

    text = {**plan["text_cfg"], "model_type": "roberta"}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        with laion_modules.named(module, create_htsat_model=made, RobertaModel=Words):
            model = module.CLAP(embed_dim=128, audio_cfg=audio, text_cfg=text, joint_embed_shape=24)
        # As after training: statistics that are not 0 and 1, and biases that do something.
        model.audio_branch.bn0.running_mean.uniform_(-30.0, -10.0)
        model.audio_branch.bn0.running_var.uniform_(100.0, 300.0)
    return model.eval()


RENAMED = {
    "text_branch": "text_model", "audio_branch": "audio_model.audio_encoder",
    "attn": "attention.self", "self.proj": "output.dense", "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense", "norm1": "layernorm_before", "norm2": "layernorm_after",
    "bn0": "batch_norm",
}  # fmt: skip


def save_as_transformers(folder: Path, seed: int = 0) -> Path:
    """The weights of `tiny_model(seed)` under transformers' names, with its extractor."""
    from transformers import (
        ClapConfig,
        ClapFeatureExtractor,
        ClapModel,
        ClapProcessor,
        PreTrainedTokenizerFast,
    )

    config = ClapConfig(
        text_config={
            "vocab_size": byte_tokenizer().get_vocab_size(), "hidden_size": WORDS,
            "num_hidden_layers": 1, "num_attention_heads": 12, "intermediate_size": 32,
            "max_position_embeddings": POSITIONS, "type_vocab_size": 1, "layer_norm_eps": 1e-5,
            "projection_hidden_act": "relu",
        },
        audio_config={
            "patch_embeds_hidden_size": 16, "depths": SIZES["depths"], "hidden_size": 128,
            "num_attention_heads": SIZES["num_heads"], "mlp_ratio": 2.0, "num_classes": 3,
            "enable_fusion": False, "projection_hidden_act": "relu",
        },
        projection_dim=24,
    )  # fmt: skip
    model = ClapModel(config)
    model.load_state_dict(_renamed(tiny_model(seed).state_dict()), strict=False)
    missing = {name for name, _ in model.named_parameters()} - set(
        _renamed(tiny_model(seed).state_dict())
    )
    assert not missing, missing
    model.save_pretrained(folder)
    extractor = ClapFeatureExtractor(truncation="rand_trunc", frequency_min=50)
    words = PreTrainedTokenizerFast(
        tokenizer_object=byte_tokenizer(), bos_token="<s>", cls_token="<s>", pad_token="<pad>",
        eos_token="</s>", sep_token="</s>", unk_token="<unk>", mask_token="<mask>",
    )  # fmt: skip
    ClapProcessor(extractor, words).save_pretrained(folder)
    extractor.save_pretrained(folder)
    return folder


def _renamed(state: dict[str, Any]) -> dict[str, Any]:
    """Names and splits as transformers' own conversion has them."""
    found: dict[str, Any] = {}
    for old, value in state.items():
        name = old
        for part, other in RENAMED.items():
            # RoBERTa's names are transformers' already.
            if part == "text_branch" or not old.startswith("text_branch"):
                name = name.replace(part, other)
        for place, other in (("0", "linear1"), ("2", "linear2")):
            name = name.replace(f"_projection.{place}.", f"_projection.{other}.")
        if "qkv" in name:
            for kind, third in zip(("query", "key", "value"), value.chunk(3), strict=True):
                found[name.replace("qkv", kind)] = third
        elif "relative_position_index" not in name:
            found[name] = value
    return found
