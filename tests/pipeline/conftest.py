"""Tiny real things that the pipeline's tests stand on: a random MusicGen, a small corpus."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.pipeline.labelers.factory import Outside

RATE = 8000
KEY = "canary-4f1c9e-key"
"""The secret under which tests call Gemini; nothing that is kept may hold it."""
TONES = {"low": 220.0, "mid": 440.0, "high": 1100.0}
WORDS = ("<pad>", "</s>", "<unk>", "a", "slow", "fast", "piano", "Simple", "melody")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """One thread, so that tests side by side do not fight and sums keep their order."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def subject_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random MusicGen of 3 blocks × 32 with a codec at 8 kHz and 50 frames a second, saved."""
    import torch
    from transformers import (
        EncodecConfig,
        MusicgenConfig,
        MusicgenDecoderConfig,
        MusicgenForConditionalGeneration,
        T5Config,
    )

    codec = EncodecConfig(
        sampling_rate=RATE, upsampling_ratios=[8, 5, 4], num_filters=4, hidden_size=16,
        codebook_dim=16, codebook_size=64, target_bandwidths=[1.2], num_lstm_layers=1,
        normalize=False, chunk_length_s=None,
    )  # fmt: skip
    decoder = MusicgenDecoderConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, ffn_dim=64,
        num_codebooks=4, pad_token_id=64, bos_token_id=64, max_position_embeddings=512,
    )  # fmt: skip
    text = T5Config(vocab_size=32, d_model=16, d_kv=4, d_ff=16, num_layers=1, num_heads=2)
    config = MusicgenConfig(
        text_encoder=text.to_dict(), audio_encoder=codec.to_dict(), decoder=decoder.to_dict()
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = MusicgenForConditionalGeneration(config)
        # A fresh EnCodec has all-zero codebooks: every sound would get the same codes.
        for layer in model.audio_encoder.quantizer.layers:
            layer.codebook.embed.normal_(std=0.3)
        for table in model.decoder.model.decoder.embed_tokens:
            torch.nn.init.normal_(table.weight, std=0.5)
    folder = tmp_path_factory.mktemp("subject")
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def speaking_folder(subject_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The random subject with a tokenizer, and cross-attention strong enough to be heard."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import MusicgenForConditionalGeneration, PreTrainedTokenizerFast

    model = MusicgenForConditionalGeneration.from_pretrained(subject_folder)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".encoder_attn." in name or name.startswith(("enc_to_dec_proj", "decoder.lm_heads")):
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    model.generation_config.update(
        pad_token_id=64, bos_token_id=64, decoder_start_token_id=64, guidance_scale=3.0
    )
    folder = tmp_path_factory.mktemp("speaking")
    model.save_pretrained(folder)
    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    return folder


def tone(name: str, seed: int, seconds: float = 2.0) -> np.ndarray:
    """A decaying pulse train of one pitch with some noise, [sample]."""
    generator = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    pulse = np.exp(-4.0 * (time % generator.uniform(0.2, 0.6)))
    wave = np.sin(2 * np.pi * TONES[name] * generator.uniform(0.97, 1.03) * time)
    noise = generator.normal(scale=0.02, size=len(time))
    return (0.5 * wave * pulse + noise).astype(np.float32)


def seconds_of(number: int) -> float:
    """Length of a track of the small corpus."""
    return 1.6 if number % 4 == 1 else 2.0


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 tracks, three planted concepts, listed in corpus.parquet.

    Every fourth is shorter, so that activations lie in two shards whose tracks are interleaved.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    import soundfile as sf

    folder = tmp_path_factory.mktemp("corpus")
    (folder / "audio").mkdir()
    rows = []
    for number in range(48):
        name = list(TONES)[number % 3]
        path = f"audio/{number:03d}.flac"
        sf.write(folder / path, tone(name, number, seconds_of(number)), RATE)
        rows.append(
            {"track": f"t{number:03d}", "path": path, "tags": [name], "caption": f"a {name}"}
        )
    pq.write_table(pa.Table.from_pylist(rows), folder / "corpus.parquet")
    concepts = [
        {"name": name, "group": "pitch", "synonyms": [], "description": f"{name} pitch"}
        for name in TONES
    ]
    (folder / "concepts.json").write_text(json.dumps({"concepts": concepts}))
    return folder


@pytest.fixture(scope="session")
def small_config(subject_folder: Path, corpus_folder: Path) -> dict[str, dict[str, object]]:
    """A whole run in a few seconds, as a plain dict."""
    return {
        "corpus": {
            "path": str(corpus_folder), "min_seconds": 1.0, "clip_seconds": 2.0,
            "train_share": 0.4, "validation_share": 0.3,
        },
        "subject": {
            "model": str(subject_folder),
            "hookpoints": ["decoder.layers.0.resid_post", "decoder.layers.1.resid_post"],
        },
        "sae": {"expansions": [4], "ks": [4], "steps": 60, "batch_frames": 256, "aux_k": 8,
                "learning_rate": 1e-3},
        # Every part of the filter drops some latents, and some features fire in two tracks only.
        "features": {"threshold": 2.5, "min_rate": 0.1, "max_rate": 0.75, "min_tracks": 2},
        "exemplars": {"count": 3},
        "machine": {"workers": 1, "batch_tracks": 4},
    }  # fmt: skip


@pytest.fixture(scope="session")
def finished_run(
    small_config: dict[str, dict[str, object]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run directory up to its exemplars, for reading only."""
    from pipeline.config import config_from_dict
    from pipeline.progress import SilentProgress
    from pipeline.run import execute

    out = tmp_path_factory.mktemp("finished") / "run"
    execute(config_from_dict(small_config), out, progress=SilentProgress(), until="exemplars")
    return out


@pytest.fixture
def run_copy(finished_run: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be damaged."""
    import shutil

    return Path(shutil.copytree(finished_run, tmp_path / "copy"))


@pytest.fixture(scope="session")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    """What methods need beyond a run: models, a server that speaks the Gemini API, answers."""
    from tests.pipeline.clap.tiny_clap import save_tiny_clap
    from tests.pipeline.labelers.captioner.tiny import save_qwen2_audio
    from tests.pipeline.labelers.essentia.frozen_graphs import save_tiny_models
    from tests.pipeline.labelers.factory import Outside, write_responses
    from tests.pipeline.labelers.gemini.server import serving

    folder = tmp_path_factory.mktemp("outside")
    os.environ["GEMINI_API_KEY"] = KEY
    with serving() as server:
        yield Outside(
            clap=save_tiny_clap(folder / "clap"),
            essentia=save_tiny_models(folder / "essentia"),
            captioner=save_qwen2_audio(folder / "captioner"),
            gemini_url=server.url,
            responses=write_responses(folder / "responses.csv"),
        )
    del os.environ["GEMINI_API_KEY"]
