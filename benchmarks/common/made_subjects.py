"""Subjects with random weights, for measurements and comparisons."""

from __future__ import annotations

from pathlib import Path

import torch

SMALL = {"num_hidden_layers": 24, "hidden_size": 1024, "num_attention_heads": 16, "ffn_dim": 4096}
"""`facebook/musicgen-small`'s decoder: 24 blocks of 1024."""


def write_small_subject(folder: Path, seed: int = 0) -> Path:
    """A subject with musicgen-small's real size, decoder and codec, in transformers' layout."""
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
    # Activations do not depend on the text encoder, so a small one suffices.
    text = T5Config(vocab_size=32, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    config = MusicgenConfig(
        text_encoder=text.to_dict(), audio_encoder=codec.to_dict(), decoder=decoder.to_dict()
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MusicgenForConditionalGeneration(config)
        # A new EnCodec has all-zero codebooks, so that every sound would get the same codes.
        for layer in model.audio_encoder.quantizer.layers:
            layer.codebook.embed.normal_(std=0.3)
    model.save_pretrained(folder)
    return folder
