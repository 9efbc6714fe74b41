"""Builds questions: the exemplars as one sound, in an order drawn from the seed, and the prompt."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Protocol
from zlib import crc32

import numpy as np
import numpy.typing as npt

from pipeline.config import AskedConfig
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
ENCODING = f"16 bits, mono, {RATE} Hz, {GAP_SECONDS} s between clips"

TEXT, SHARE = {"type": "STRING"}, {"type": "NUMBER", "minimum": 0, "maximum": 1}
SCHEMA: dict[str, Any] = {
    "type": "OBJECT",
    "required": ["concepts", "overall_name", "overall_summary", "overall_confidence"],
    "properties": {
        "concepts": {
            "type": "ARRAY",
            "description": "Different hypotheses about what the clips have in common, the "
            "likeliest first.",
            "items": {
                "type": "OBJECT",
                "required": ["name", "confidence", "description"],
                "properties": {
                    "name": TEXT
                    | {
                        "description": "The concept in one to five plain words, without an article "
                        "or filler such as 'music with' or 'sounds of'."
                    },
                    "confidence": SHARE
                    | {
                        "description": "From 0 to 1: how sure you are that most of the clips have "
                        "it and most other music does not."
                    },
                    "description": TEXT
                    | {"description": "One sentence that says how to hear it in the clips."},
                },
            },
        },
        "overall_name": TEXT
        | {
            "description": "The one concept that underlies all the clips, in at most six words; "
            "not a list of the concepts."
        },
        "overall_summary": TEXT
        | {"description": "What the clips share, in two or three sentences."},
        "overall_confidence": SHARE
        | {"description": "From 0 to 1: how sure you are of overall_name."},
    },
}
"""The paper's structured answer, as a schema in Gemini's format."""


LIMITS = ("minimum", "maximum")


def json_schema(schema: Any = SCHEMA) -> Any:
    """The schema as JSON Schema, as strict servers want it: no other keys, and no limits of
    numbers, which some of them refuse; the descriptions state those."""
    if isinstance(schema, list):
        return [json_schema(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: json_schema(value) for key, value in schema.items() if key not in LIMITS}
    if isinstance(schema.get("type"), str):
        made["type"] = schema["type"].lower()
    return {**made, "additionalProperties": False} if made.get("type") == "object" else made


IN_WORDS = "Answer with nothing but one JSON object that matches this JSON Schema:\n" + json.dumps(
    json_schema()
)
"""What is added to the prompt for a model that takes no schema."""


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


def prompt_of(config: AskedConfig, section: str) -> str:
    """The prompt's text, before the placeholders are filled in.

    Raises `PipelineError` if the researcher's file is missing, empty or not a text file.
    """
    if config.prompt is None:
        return files("pipeline.labelers.remote").joinpath("prompt.txt").read_text(encoding="utf-8")
    try:
        prompt = read_text(config.prompt).replace("\r\n", "\n")
    except PipelineError as error:
        raise PipelineError(f"[{section}] prompt {error}") from error
    if not prompt.strip():
        raise PipelineError(
            f"[{section}] prompt {config.prompt} is empty, so every answer would be paid for "
            "nothing"
        )
    return prompt


class Asks(Protocol):
    """Who asks: a service, or a model on this machine."""

    @property
    def section(self) -> str:
        """The config's section."""

    @property
    def config(self) -> AskedConfig:
        """What stands in it."""

    @property
    def encoding(self) -> str:
        """How the sound is given."""


def question(context: SaeContext, feature: str, model: str, asks: Asks) -> Question:
    """The question to a model about one feature that has exemplars."""
    config = asks.config
    rows = context.exemplars[feature]
    seed = context.config.labels.seed
    order = np.random.default_rng([seed, crc32(feature.encode())]).permutation(len(rows))
    clips = tuple(rows[place] for place in order)
    prompt = prompt_of(config, asks.section)
    prompt = prompt.replace("{clips}", str(len(clips)))
    prompt = prompt.replace("{concepts}", str(config.concepts))
    whole = {
        "model": model, "prompt": prompt, "schema": SCHEMA,
        # A model on this machine answers greedily and has no such setting.
        "temperature": getattr(config, "temperature", None),
        "clips": [clip.clip for clip in clips], "clip_seconds": config.clip_seconds,
        "encoding": f"{asks.encoding}, {ENCODING}",
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


def sound_of(context: SaeContext, asks: Asks, asked: Question) -> bytes:
    """The clips, one after another, as a file; raises `PipelineError` if that is too large."""
    samples = samples_of(context, asked.clips, seconds=asks.config.clip_seconds)
    data = audio.file_bytes(samples[None, :], RATE, asks.encoding.upper())
    if len(base64.b64encode(data)) + len(asked.prompt) > REQUEST_BYTES:
        raise PipelineError(
            f"the clips of {asked.feature} are {len(data)} bytes, over the limit of "
            f"{REQUEST_BYTES} bytes per request (in base64); lower [{asks.section}] clip_seconds"
        )
    return data


def samples_of(
    context: SaeContext, clips: Sequence[ExemplarRecord], *, seconds: float, rate: int = RATE
) -> npt.NDArray[np.float32]:
    """The middles of the clips, at most `seconds` of each, one after another with gaps [sample]."""
    gap = np.zeros(round(GAP_SECONDS * rate), dtype=np.float32)
    parts: list[npt.NDArray[np.float32]] = []
    for clip in clips:
        path = context.directory.path_of(f"exemplars/{context.sae}/clips/{clip.clip}.flac")
        start = max(0.0, (clip.seconds - seconds) / 2)
        kept = min(clip.seconds, seconds)
        parts += [
            audio.read_mono(path, sample_rate=rate, start_seconds=start, seconds=kept), gap
        ]  # fmt: skip
    return np.concatenate(parts[:-1])
