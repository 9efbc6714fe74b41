"""Captioners of true classes, with tiny random weights.

One that is to say something gets weights with which each token is followed by the next of a text,
whatever it hears: its layers add nothing, and its head maps every token to its successor.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    MusicFlamingoConfig,
    MusicFlamingoForConditionalGeneration,
    MusicFlamingoProcessor,
    PreTrainedTokenizerFast,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    WhisperFeatureExtractor,
)

from pipeline.labelers.captioner.models import PREFILL

SECONDS = 2
"""Longest sound that it hears."""
MELS, WIDTH, WORDS = 16, 64, 60
SPECIAL = (
    "<unk>", "<eos>", "<pad>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>", "<sound>",
    "<|sound_bos|>", "<|sound_eos|>",
)  # fmt: skip
TEMPLATE = (
    "{% for message in messages %}{% for part in message['content'] %}"
    "{% if part['type'] == 'audio' %}MARK{% else %} {{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %}\n"
)
NAMES = ("steady beat", "bright bells", "low hum", "harsh guitar", "soft flute", "church organ")
ANSWER = json.dumps(
    {
        "concepts": [
            {"name": name, "confidence": round(0.9 - place / 10, 1), "description": f"a {name}"}
            for place, name in enumerate(NAMES)
        ],
        "overall_name": "overall",
        "overall_summary": "what they share",
        "overall_confidence": 0.7,
    }
)
SAID = ANSWER.removeprefix(PREFILL)


def _tokenizer(said: str) -> PreTrainedTokenizerFast:
    """Every piece of `said` is a token, in order; any other word is `<unk>`, but for the last of
    the beginning that is given."""
    words = next(filter(_are_distinct, (_words(said, size) for size in range(1, len(said) + 1))))
    made = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, "<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", eos_token="<eos>", pad_token="<pad>",
        extra_special_tokens=list(SPECIAL[3:]),
    )  # fmt: skip
    tokenizer.padding_side = "left"
    return tokenizer


def _words(said: str, size: int) -> list[str]:
    pieces = [said[at : at + size] for at in range(0, len(said), size)]
    return [*SPECIAL, PREFILL.split()[-1], *pieces]


def _are_distinct(words: list[str]) -> bool:
    return len(set(words)) == len(words) <= WORDS


def _text_config() -> dict[str, Any]:
    return {
        "model_type": "qwen2", "vocab_size": WORDS, "hidden_size": WIDTH, "intermediate_size": 16,
        "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2,
        "max_position_embeddings": 4096, "tie_word_embeddings": False, "eos_token_id": 1,
        "pad_token_id": 2, "bos_token_id": None,
    }  # fmt: skip


def _extractor() -> WhisperFeatureExtractor:
    return WhisperFeatureExtractor(feature_size=MELS, sampling_rate=16_000, chunk_length=SECONDS)


def save_qwen2_audio(folder: Path, said: str = SAID, *, speaks: bool = True) -> Path:
    """A Qwen2-Audio that says `said` after the given beginning, or anything if it does not
    speak."""
    torch.manual_seed(0)
    audio = {
        "model_type": "qwen2_audio_encoder", "num_mel_bins": MELS, "encoder_layers": 1,
        "encoder_attention_heads": 2, "encoder_ffn_dim": 16, "d_model": 16,
        "max_source_positions": 50 * SECONDS,
    }  # fmt: skip
    config = Qwen2AudioConfig(
        audio_config=audio, text_config=_text_config(), audio_token_index=SPECIAL.index("<|AUDIO|>")
    )
    model = Qwen2AudioForConditionalGeneration(config)
    tokenizer = _tokenizer(said)
    processor = Qwen2AudioProcessor(
        _extractor(), tokenizer, chat_template=TEMPLATE.replace("MARK", " <|AUDIO|> ")
    )
    return _saved(folder, model, processor, len(tokenizer) if speaks else 0)


def save_music_flamingo(folder: Path, said: str = SAID) -> Path:
    """A Music Flamingo of random weights, which says anything."""
    torch.manual_seed(0)
    audio = {
        "model_type": "audioflamingo3_encoder", "num_mel_bins": MELS, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 16, "hidden_size": 16,
        "max_source_positions": 50 * SECONDS,
    }  # fmt: skip
    config = MusicFlamingoConfig(
        audio_config=audio, text_config=_text_config(), audio_token_id=SPECIAL.index("<sound>")
    )
    processor = MusicFlamingoProcessor(
        _extractor(), _tokenizer(said), chat_template=TEMPLATE.replace("MARK", " <sound> ")
    )
    return _saved(folder, MusicFlamingoForConditionalGeneration(config), processor, 0)


def _saved(folder: Path, model: Any, processor: Any, words: int) -> Path:
    if words:
        _teach(model.model.language_model, model.lm_head, words)
    model.generation_config.eos_token_id = 1
    model.generation_config.pad_token_id = 2
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@torch.no_grad()
def _teach(language: Any, head: Any, words: int) -> None:
    """Make each of the first `words` tokens be followed by the next, and the last by the end."""
    language.embed_tokens.weight.copy_(torch.eye(WIDTH)[:WORDS])
    for layer in language.layers:
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
    head.weight.zero_()
    for token in range(words):
        head.weight[token + 1 if token + 1 < words else 1, token] = 1.0
