"""Four SAEs of one hookpoint: from one reading of the activations (`[sae] together`), and alone.

Activations of a made-up hookpoint are written as a run's are, so that reading is the run's own:
shards from disk (in the operating system's cache here), track selection, shuffling, gathering.
CPU seconds, one thread. *reading*: the batches without any training. The steps of four SAEs share
nothing, so with a share r of reading in a training alone, together cannot take less than
1 − 3 r / 4 of the time of four.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.sae.world import World
from pipeline.config import SaeConfig
from pipeline.sae.frames import TrainingFrames
from pipeline.sae.trainer import Wanted, train_alone, train_together
from pipeline.store.activations import ShardFacts, shard_path
from pipeline.store.run_directory import RunDirectory

HOOKPOINT = "decoder.layers.0.resid_post"
COUNT = 4
"""SAEs."""
TRACK_FRAMES = 500
"""Ten seconds."""
SIZES = {"nano": (192, 768, 16), "MusicGen small": (1024, 4096, 32)}
"""d, n, k."""


def main() -> int:
    """Print a row for each size and kernel."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("steps", 40), ("batch", 1024), ("shards", 8), ("tracks", 8)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"{COUNT} SAEs, {options.steps} steps of {options.batch:,} frames, from {options.shards} "
        f"shards of {options.tracks} tracks\n\n"
        "| size | kernel | reading | four alone | together | ratio | bound |\n"
        "|---|---|---|---|---|---|---|"
    )
    for name in options.sizes:
        d, n, k = SIZES[name]
        with tempfile.TemporaryDirectory() as folder:
            directory = stored(Path(folder) / "run", d, options.shards, options.tracks)
            for kernel in ("exact", "bf16"):
                config = SaeConfig(
                    steps=options.steps, batch_frames=options.batch, kernel=kernel, together=True
                )
                row(name, directory, config, n, k, options.shards * options.tracks)
    return 0


def stored(path: Path, d: int, shards: int, tracks: int) -> RunDirectory:
    """A run directory with activations [track, frame, d]."""
    directory, world = RunDirectory(path), World(2 * d, d)
    directory.begin({})
    generator = torch.Generator().manual_seed(0)
    with directory.writer("activations") as writer:
        for number in range(shards):
            frames = world.frames(tracks * TRACK_FRAMES, generator).half().numpy()
            names = tuple(f"t{number * tracks + place}" for place in range(tracks))
            facts = ShardFacts(names, "s", HOOKPOINT, "d", 50.0, 0)
            array = frames.reshape(tracks, TRACK_FRAMES, d)
            writer.write_tensors(
                shard_path(HOOKPOINT, number), {"activations": array}, facts.to_metadata()
            )
    return directory


def row(name: str, directory: RunDirectory, config: SaeConfig, n: int, k: int, tracks: int) -> None:
    """Alone and together in turn, and the reading by itself."""
    names = frozenset(f"t{number}" for number in range(tracks))
    wanted = [Wanted(config, n, k, seed) for seed in range(COUNT)]

    def frames() -> TrainingFrames:
        # Pools of a quarter of the corpus, so that each pass reads the disk again.
        return TrainingFrames(directory, HOOKPOINT, names, pool_frames=tracks * TRACK_FRAMES // 4)

    def read() -> None:
        batches = frames().batches(config.batch_frames, torch.Generator().manual_seed(0))
        for _ in range(config.steps):
            next(batches).float()

    def alone() -> None:
        for one in wanted:
            train_alone(one, frames(), device="cpu", advance=lambda _: None)

    def together() -> None:
        train_together(wanted, frames(), order_seed=0, device="cpu", advance=lambda _: None)

    took = [[seconds(one) for one in (read, alone, together)] for _ in range(2)]
    reading, four, shared = (min(both) for both in zip(*took, strict=True))
    bound = 1 - 0.75 * COUNT * reading / four
    print(
        f"| {name} | {config.kernel} | {reading:.2f} s | {four:.2f} s | {shared:.2f} s | "
        f"{shared / four:.2f} | {bound:.2f} |",
        flush=True,
    )


def seconds(call: Callable[[], None]) -> float:
    """CPU seconds of a call."""
    before = time.process_time()
    call()
    return time.process_time() - before


if __name__ == "__main__":
    sys.exit(main())
