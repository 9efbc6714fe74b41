"""Batch size, warm-up and decay: one SAE of a run trained in several ways on equally many frames.

    python -m benchmarks.sae.schedule data/runs/demo

One is varied at a time, the others are the config's; the SAE is the run's first, its learning rate
the default's. FVU and silent latents on validation frames.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pipeline.config import RunConfig, config_from_dict
from pipeline.corpus.tracks import usable_tracks
from pipeline.errors import PipelineError
from pipeline.sae.evaluate import HeldOut, evaluate, frames_of_tracks
from pipeline.sae.frames import TrainingFrames
from pipeline.sae.specs import SaeSpec, seed_of, specs
from pipeline.sae.trainer import train
from pipeline.store.run_directory import RunDirectory

BATCHES = (256, 512, 2048, 4096)
WARMUPS = (0.0, 0.2)
DECAYS = (0.0, 0.5)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="directory of a run that has its activations")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        directory = RunDirectory(options.run)
        config = config_from_dict(directory.description("config")["config"])
        width = int(directory.summary("activations")["subject"]["width"])
        spec = next(iter(specs(config, width)))
        print(f"{spec.name}, {config.sae.steps * config.sae.batch_frames:,} frames\n")
        print("| batch | steps | warm-up | decay | FVU by seed | silent | CPU s |")
        print("|---:|---:|---:|---:|---|---|---:|", flush=True)
        for changed in variations(config):
            print(row(directory, changed, spec, options.seeds), flush=True)
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def variations(config: RunConfig) -> list[RunConfig]:
    """The config at the default rate, and with one thing changed each."""
    base = replace(config.sae, learning_rate=None)
    frames = base.steps * base.batch_frames
    changes: list[dict[str, Any]] = [{}]
    changes += [{"batch_frames": size, "steps": frames // size} for size in BATCHES]
    changes += [{"warmup_share": share} for share in WARMUPS]
    changes += [{"decay_share": share} for share in DECAYS]
    return [replace(config, sae=replace(base, **change)) for change in changes]


def row(directory: RunDirectory, config: RunConfig, spec: SaeSpec, seeds: list[int]) -> str:
    """One way of training, over seeds."""
    before = time.process_time()
    found = [trained(directory, config, spec, seed_of(seed, spec.name)) for seed in seeds]
    took = (time.process_time() - before) / len(seeds)
    fvu, silent = (
        ", ".join(cells)
        for cells in (
            [f"{one.fvu:.4f}" for one in found],
            [f"{one.dead_share:.1%}" for one in found],
        )
    )
    sae = config.sae
    shares = f"{sae.warmup_share:.0%} | {sae.decay_share:.0%}"
    return f"| {sae.batch_frames:,} | {sae.steps:,} | {shares} | {fvu} | {silent} | {took:.0f} |"


def trained(directory: RunDirectory, config: RunConfig, spec: SaeSpec, seed: int) -> HeldOut:
    """The figures of one training on validation frames."""
    splits = {
        split: frozenset(one.track for one in usable_tracks(directory) if one.split == split)
        for split in ("train", "validation")
    }
    one = train(
        config.sae, TrainingFrames(directory, spec.hookpoint, splits["train"]),
        n_latents=spec.n_latents, k=spec.k, seed=seed, device="cpu", advance=lambda _: None,
    )  # fmt: skip
    frames = frames_of_tracks(directory, spec.hookpoint, splits["validation"])
    found = evaluate(one.sae, frames, scale=one.scale)
    if found is None:
        raise PipelineError("there are no validation frames to compare on")
    return found


if __name__ == "__main__":
    sys.exit(main())
