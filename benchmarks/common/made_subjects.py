"""Subjects to measure and compare on, made on the spot with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from pipeline.subjects.import_stubs import audiocraft
from pipeline.subjects.layouts import files
from pipeline.subjects.layouts.files import Checkpoint

SMALL = {"num_hidden_layers": 24, "hidden_size": 1024, "num_attention_heads": 16, "ffn_dim": 4096}
"""`facebook/musicgen-small`'s decoder: 24 blocks of 1024."""


def write_debug_subject(folder: Path, seed: int = 0) -> Path:
    """audiocraft's own debug model (`get_debug_lm_model`, `get_debug_compression_model`), with the
    config that says how it was made, as audiocraft's two files."""
    builders = audiocraft().models.builders
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        lm, codec = builders.get_debug_lm_model(), builders.get_debug_compression_model()
    folder.mkdir(parents=True, exist_ok=True)
    files.write(folder / files.LM_FILE, Checkpoint(debug_lm_config(), lm.state_dict()))
    files.write(folder / files.CODEC_FILE, Checkpoint(DEBUG_CODEC, codec.state_dict()))
    return folder


def debug_lm_config() -> dict[str, Any]:
    """The arguments that `get_debug_lm_model` has in its code; the rest is audiocraft's default."""
    return {
        "lm_model": "transformer_lm",
        "transformer_lm": {
            "n_q": 4, "card": 400, "dim": 16, "num_heads": 4, "num_layers": 2,
            "custom": True, "causal": True, "cross_attention": True,
        },
        "codebooks_pattern": {"modeling": "delay", "delay": {"delays": [0, 1, 2, 3]}},
        "conditioners": {"description": {"model": "lut", "lut": {"n_bins": 128, "dim": 16}}},
    }  # fmt: skip


DEBUG_CODEC: dict[str, Any] = {
    "compression_model": "encodec",
    "encodec": {"autoencoder": "seanet", "quantizer": "rvq", "sample_rate": 32000, "channels": 1},
    "seanet": {"n_filters": 4, "n_residual_layers": 1, "dimension": 32, "ratios": [10, 8, 16]},
    "rvq": {"n_q": 4, "bins": 400},
}
"""The arguments that `get_debug_compression_model` has in its code."""


def write_small_subject(folder: Path, seed: int = 0) -> Path:
    """A subject of musicgen-small's true size, decoder and codec, in transformers' layout."""
    from transformers import (
        EncodecConfig,
        MusicgenConfig,
        MusicgenDecoderConfig,
        MusicgenForConditionalGeneration,
        T5Config,
    )

    codec = EncodecConfig(
        sampling_rate=32000, upsampling_ratios=[8, 5, 4, 4], num_filters=64, hidden_size=128,
        codebook_size=2048, target_bandwidths=[2.2], num_lstm_layers=2, use_causal_conv=False,
        use_conv_shortcut=False, chunk_length_s=None,
    )  # fmt: skip
    decoder = MusicgenDecoderConfig(vocab_size=2048, num_codebooks=4, pad_token_id=2048,
                                    bos_token_id=2048, **SMALL)  # fmt: skip
    # No activation asks for the text encoder: a small one stands in its place.
    text = T5Config(vocab_size=32, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    config = MusicgenConfig(
        text_encoder=text.to_dict(), audio_encoder=codec.to_dict(), decoder=decoder.to_dict()
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MusicgenForConditionalGeneration(config)
        # A fresh EnCodec has all-zero codebooks: every sound would get the same codes.
        for layer in model.audio_encoder.quantizer.layers:
            layer.codebook.embed.normal_(std=0.3)
    model.save_pretrained(folder)
    return folder
