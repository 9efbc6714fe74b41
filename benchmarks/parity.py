"""Compares both subject backends on the same weights: codes, and the residual stream per layer.

    python -m benchmarks.parity            the nano subject
    python -m benchmarks.parity --subject FOLDER

The subject is loaded twice: from transformers' files, and from audiocraft's files converted from
them. It prints the largest absolute difference over all frames and the RMS of the stream.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from pipeline.config import SubjectConfig
from pipeline.subjects.audiocraft_backend import AudiocraftSubject
from pipeline.subjects.convert import convert
from pipeline.subjects.transformers_backend import TransformersSubject

NANO = Path(__file__).parent.parent / "fixtures" / "nano" / "musicgen-nano"
LIMIT = 1e-4


class Row(NamedTuple):
    """One row of the table."""

    what: str
    difference: float
    scale: float


def compare(ours: Path, theirs: Path, *, seconds: float = 2.0, seed: int = 0) -> Iterator[Row]:
    """Differences between transformers on folder `ours` and audiocraft on folder `theirs`.

    The first row is the share of codes that differ; the others, one per hookpoint, use the codes of
    transformers.
    """
    first = ("decoder.layers.0.resid_pre",)
    one = TransformersSubject(SubjectConfig(model=str(ours), hookpoints=first))
    other = AudiocraftSubject(SubjectConfig(model=str(theirs), hookpoints=first))
    sounds = noise_and_tones(one.facts.sample_rate, seconds, seed)
    codes = one.encode(sounds)
    yield Row("codes", (codes != other.encode(sounds)).float().mean().item(), 1.0)
    points = list(first) + [f"decoder.layers.{b}.resid_post" for b in range(one.facts.n_blocks)]
    left, right = one.activations(codes, points), other.activations(codes, points)
    for point in points:
        difference = (left[point] - right[point]).abs().max().item()
        yield Row(point, difference, left[point].square().mean().sqrt().item())


def noise_and_tones(sample_rate: int, seconds: float, seed: int) -> torch.Tensor:
    """Three sounds [3, sample]: a chord, noise, and a pulse train in noise."""
    generator = np.random.default_rng(seed)
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    chord = sum(np.sin(2 * np.pi * f * time) for f in (220.0, 277.2, 329.6)) / 6
    hiss = generator.normal(scale=0.1, size=len(time))
    pulses = 0.5 * np.sin(2 * np.pi * 110 * time) * np.exp(-8 * (time % 0.25))
    return torch.from_numpy(np.stack([chord, hiss, pulses + 0.1 * hiss]).astype(np.float32))


def main() -> int:
    """Print the tables. Return 1 if a difference exceeds the limit."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--subject", type=Path, default=NANO, help="a folder in transformers' layout"
    )
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        converted = Path(made) / "converted"
        convert(str(options.subject.resolve()), converted, "audiocraft")
        worst = 0.0
        print(f"\n{options.subject.name}\n{'':34} {'largest difference':>18} {'RMS':>8}")
        for row in compare(options.subject, converted, seconds=options.seconds):
            print(f"{row.what:34} {row.difference:18.2e} {row.scale:8.3f}")
            worst = max(worst, row.difference)
    print(f"\nlargest of all {worst:.2e}, limit {LIMIT:.0e}")
    return 0 if worst <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
