"""Builds questions: the exemplars as one sound, in an order drawn from the seed, and the prompt."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from zlib import crc32

import numpy as np

from pipeline.config import GeminiConfig
from pipeline.context import SaeContext
from pipeline.corpus import audio
from pipeline.errors import PipelineError
from pipeline.files.text import read_text
from pipeline.store.tables import ExemplarRecord

RATE = 32_000
"""Sample rate of the sound that is sent, which is mono, Hz."""
GAP_SECONDS = 0.5
"""Silence between two clips."""
REQUEST_BYTES = 20_000_000
"""Maximum size of a request, including its sound in base64."""
ENCODING = f"flac, 16 bits, mono, {RATE} Hz, {GAP_SECONDS} s between clips"

SCHEMA: dict[str, Any] = {
    "type": "OBJECT",
    "required": ["concepts", "overall_name", "overall_summary", "overall_confidence"],
    "properties": {
        "concepts": {
            "type": "ARRAY",
            "items": {
                "type": "OBJECT",
                "required": ["name", "confidence", "description"],
                "properties": {
                    "name": {"type": "STRING"},
                    "confidence": {"type": "NUMBER", "minimum": 0, "maximum": 1},
                    "description": {"type": "STRING"},
                },
            },
        },
        "overall_name": {"type": "STRING"},
        "overall_summary": {"type": "STRING"},
        "overall_confidence": {"type": "NUMBER", "minimum": 0, "maximum": 1},
    },
}
"""The paper's structured answer, as a schema in the API's format."""


@dataclass(frozen=True)
class Question:
    """The question about one feature; its sound is only made when it is asked."""

    feature: str
    model: str
    prompt: str
    clips: tuple[ExemplarRecord, ...]
    """The exemplars in the order in which they are played."""
    seconds: float
    """Length of the sound."""
    key: str
    """SHA-256 over model, prompt, schema, settings, and the clips' hashes in order."""


def prompt_of(config: GeminiConfig) -> str:
    """The prompt's text, before the placeholders are filled in.

    Raises `PipelineError` if the researcher's file is missing, empty or not a text file.
    """
    if config.prompt is None:
        return files("pipeline.labelers.gemini").joinpath("prompt.txt").read_text(encoding="utf-8")
    try:
        prompt = read_text(config.prompt).replace("\r\n", "\n")
    except PipelineError as error:
        raise PipelineError(f"[gemini] prompt {error}") from error
    if not prompt.strip():
        raise PipelineError(
            f"[gemini] prompt {config.prompt} is empty, so every answer would be paid for nothing"
        )
    return prompt


def question(context: SaeContext, feature: str, model: str) -> Question:
    """The question about one feature that has exemplars."""
    config = context.config.gemini
    rows = context.exemplars[feature]
    seed = context.config.labels.seed
    order = np.random.default_rng([seed, crc32(feature.encode())]).permutation(len(rows))
    clips = tuple(rows[place] for place in order)
    prompt = prompt_of(config)
    prompt = prompt.replace("{clips}", str(len(clips)))
    prompt = prompt.replace("{concepts}", str(config.concepts))
    whole = {
        "model": model, "prompt": prompt, "schema": SCHEMA, "temperature": config.temperature,
        "clips": [clip.clip for clip in clips], "clip_seconds": config.clip_seconds,
        "encoding": ENCODING,
    }  # fmt: skip
    text = json.dumps(whole, sort_keys=True, ensure_ascii=False)
    sound = sum(min(clip.seconds, config.clip_seconds) for clip in clips)
    return Question(
        feature=feature,
        model=model,
        prompt=prompt,
        clips=clips,
        seconds=sound + GAP_SECONDS * (len(clips) - 1),
        key=hashlib.sha256(text.encode()).hexdigest(),
    )


def sound_of(context: SaeContext, asked: Question) -> bytes:
    """The concatenated clips as FLAC; raises `PipelineError` if they are too large to send."""
    limit = context.config.gemini.clip_seconds
    gap = np.zeros(round(GAP_SECONDS * RATE), dtype=np.float32)
    parts: list[np.ndarray] = []
    for clip in asked.clips:
        path = context.directory.path_of(f"exemplars/{context.sae}/clips/{clip.clip}.flac")
        start = max(0.0, (clip.seconds - limit) / 2)
        parts.append(
            audio.read_mono(
                path, sample_rate=RATE, start_seconds=start, seconds=min(clip.seconds, limit)
            )
        )
        parts.append(gap)
    data = audio.flac_bytes(np.concatenate(parts[:-1])[None, :], RATE)
    if len(base64.b64encode(data)) + len(asked.prompt) > REQUEST_BYTES:
        raise PipelineError(
            f"the clips of {asked.feature} are {len(data)} bytes, over the limit of "
            f"{REQUEST_BYTES} bytes per request (in base64); lower [gemini] clip_seconds"
        )
    return data


def body_of(config: GeminiConfig, asked: Question, sound: bytes) -> dict[str, Any]:
    """The request in the API's JSON format, for batch jobs."""
    inline = {"mime_type": "audio/flac", "data": base64.b64encode(sound).decode()}
    generation: dict[str, Any] = {
        "response_mime_type": "application/json",
        "response_schema": SCHEMA,
    }
    if config.temperature is not None:
        generation["temperature"] = config.temperature
    return {
        "contents": [{"role": "user", "parts": [{"inline_data": inline}, {"text": asked.prompt}]}],
        "generation_config": generation,
    }
