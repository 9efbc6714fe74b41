"""Difference in means from paired prompts: a direction for a concept without any dictionary.

For a pair of lists of prompts, clips are generated from each, with the same seeds, and read again
as the SAE reads music: unconditionally, at its hookpoint. The vector is the mean over the frames of
the positive clips less that over the negative ones. Sources: contrastive activation addition
(Rimsky et al., 2312.06681); tempo and timbre in MusicGen: "Activation Patching for Interpretable
Steering in Music Generation". Deviation: they read the stream while it is generated, under the
prompt.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.errors import PipelineError
from pipeline.files.text import decoded
from pipeline.steering.interventions import PAIR
from pipeline.subjects.base import Generated, Request


@dataclass(frozen=True)
class Pair:
    """Two lists of prompts, alike but for one concept."""

    name: str
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    concept: str = ""
    """What the positive prompts have more of, in the words of the corpus where it is planted."""


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a TOML file, tables `[[pair]]` with the fields of `Pair`.

    Raises `PipelineError` if it cannot be read or a pair lacks a part.
    """
    try:
        listed = tomllib.loads(decoded(path.read_bytes(), str(path))).get("pair", [])
    except OSError as error:
        raise PipelineError(f"{path} cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise PipelineError(f"{path} is not TOML: {error}") from error
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise PipelineError(f"{path}: pairs are tables [[pair]], each with a name")
    pairs = [_pair(entry, path) for entry in listed]
    names = [pair.name for pair in pairs]
    for name in names:
        if not name or names.count(name) > 1:
            raise PipelineError(f"{path}: {names.count(name)} pairs are named {name!r}; each needs "
                                "a name of its own")  # fmt: skip
    return pairs


def _pair(entry: dict[str, Any], path: Path) -> Pair:
    sides = [entry.get(side) for side in ("positive", "negative")]
    for side in sides:
        if not (isinstance(side, list) and side and all(isinstance(one, str) for one in side)):
            raise PipelineError(
                f"{path}: the pair {entry.get('name')!r} needs lists of prompts, positive and "
                "negative"
            )
    positive, negative = (tuple(side) for side in sides if isinstance(side, list))
    if sorted(positive) == sorted(negative):
        raise PipelineError(
            f"{path}: the pair {entry.get('name')!r} has the same prompts on both sides, so they "
            "differ in nothing"
        )
    return Pair(str(entry.get("name", "")), positive, negative, str(entry.get("concept", "")))


def mean_differences(
    subject: Any,
    pairs: Sequence[Pair],
    hookpoint: str,
    *,
    seconds: float,
    seeds: Sequence[int],
    rows: int | None,
) -> dict[str, Tensor]:
    """The difference in means [d] of each pair at a hookpoint, in raw units, by `PAIR` and name."""
    # All pairs' clips in one call, since batches are filled up.
    prompts = sorted({one for pair in pairs for one in (*pair.positive, *pair.negative)})
    requests = [Request(prompt, seed) for prompt in prompts for seed in seeds]
    clips = subject.generate_many(requests, seconds, rows=rows)
    means: dict[str, list[Tensor]] = {prompt: [] for prompt in prompts}
    for request, clip in zip(requests, clips, strict=True):
        means[request.prompt].append(_mean(subject, clip, hookpoint))
    return {
        PAIR + pair.name: _over(means, pair.positive) - _over(means, pair.negative)
        for pair in pairs
    }


def _mean(subject: Any, clip: Generated, hookpoint: str) -> Tensor:
    """Mean stream [d] over the frames of a clip, without those that saw special tokens."""
    stream = subject.activations(clip.codes[None], [hookpoint])[hookpoint][0]
    mean: Tensor = stream[subject.facts.first_full_frame :].mean(dim=0)
    return mean


def _over(means: dict[str, list[Tensor]], prompts: Sequence[str]) -> Tensor:
    """Mean [d] over the clips of these prompts."""
    return torch.stack([mean for prompt in prompts for mean in means[prompt]]).mean(dim=0)
