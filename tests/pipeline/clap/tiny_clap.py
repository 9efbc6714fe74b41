"""A random `ClapModel` with its extractor and a tokenizer of bytes, saved to a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

RATE = 16_000


def byte_tokenizer() -> Any:
    """RoBERTa's pipeline over single bytes: a `tokenizers.Tokenizer`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    letters = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    pieces = Tokenizer(models.BPE(vocab={p: i for i, p in enumerate(letters)}, merges=[]))
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    pieces.decoder = decoders.ByteLevel()
    pieces.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return pieces


def save_tiny_clap(folder: Path, seed: int = 0) -> Path:
    """A model of two stages that takes two seconds at 16 kHz."""
    import torch
    from transformers import (
        ClapConfig,
        ClapFeatureExtractor,
        ClapModel,
        ClapProcessor,
        PreTrainedTokenizerFast,
    )

    words = PreTrainedTokenizerFast(
        tokenizer_object=byte_tokenizer(), bos_token="<s>", cls_token="<s>", pad_token="<pad>",
        eos_token="</s>", sep_token="</s>", unk_token="<unk>", mask_token="<mask>",
    )  # fmt: skip
    config = ClapConfig(
        text_config={
            "vocab_size": len(words), "hidden_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 80,
        },
        audio_config={
            "spec_size": 64, "num_mel_bins": 32, "window_size": 4, "depths": [1, 1],
            "num_attention_heads": [2, 4], "patch_embeds_hidden_size": 16, "hidden_size": 32,
            "num_hidden_layers": 2, "mlp_ratio": 1.0, "num_classes": 1,
        },
        projection_dim=12,
    )  # fmt: skip
    extractor = ClapFeatureExtractor(
        feature_size=32, sampling_rate=RATE, hop_length=256, max_length_s=2, fft_window_size=512,
        frequency_min=30, frequency_max=7_000, truncation="rand_trunc",
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ClapModel(config)
    model.save_pretrained(folder)
    ClapProcessor(extractor, words).save_pretrained(folder)
    extractor.save_pretrained(folder)
    return folder
