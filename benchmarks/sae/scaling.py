"""How a training step's time and memory grow with n, k and d, and by which powers.

One of the three is varied at a time. Each cell is a process of its own, so that its peak memory is
its own; full steps, one thread, median CPU time. *exponent*: the slope of a straight line through
the logarithms, so 1 where twice the size takes twice as long.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.sae.sides import Side, frames_for, in_turn
from benchmarks.sae.speed import SIDES
from benchmarks.sae.world import World
from pipeline.errors import PipelineError

BASE = {"n": 4096, "k": 32, "d": 192}
VARIED = {"n": (4096, 16_384, 65_536), "k": (32, 56, 100), "d": (192, 640, 2048)}
DIRECTIONS = 2048


class Cell(NamedTuple):
    """One size."""

    frame_seconds: float
    """CPU time per frame."""
    peak_bytes: float


def main() -> int:
    """Print a table for each side."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("batch", 1024), ("steps", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument(
        "--sides", nargs="+", choices=SIDES, default=["ours exact", "ours bf16", "sparsify"]
    )
    parser.add_argument("--varied", nargs="+", choices=VARIED, default=list(VARIED))
    options = parser.parse_args()
    print(f"batch {options.batch:,}, {options.steps} steps; others at {BASE}\n")
    print("| side | varied | CPU ms per 1,000 frames | exponent | peak MB | exponent |")
    print("|---|---|---|---|---|---|")
    try:
        for name in options.sides:
            for varied in options.varied:
                print(row(name, varied, VARIED[varied], options), flush=True)
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def row(name: str, varied: str, sizes: tuple[int, ...], options: argparse.Namespace) -> str:
    """One side with one dimension varied."""
    cells = [cell(name, BASE | {varied: size}, options) for size in sizes]
    times, peaks = ([one[at] for one in cells] for at in (0, 1))
    return (
        f"| {name} | {varied} {', '.join(f'{size:,}' for size in sizes)} | "
        f"{', '.join(f'{1e6 * time:,.0f}' for time in times)} | {exponent(sizes, times):.2f} | "
        f"{', '.join(f'{peak / 2**20:,.0f}' for peak in peaks)} | {exponent(sizes, peaks):.2f} |"
    )


def cell(name: str, sizes: dict[str, int], options: argparse.Namespace) -> Cell:
    """One side at one size."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(DIRECTIONS, sizes["d"])
        paths = frames_for(world, Path(folder), 2 * options.batch, 256, seed=1)
        setting = paths | sizes | SIDES[name] | {
            "batch": options.batch, "steps": 1000, "rate": 1e-3, "aux_k": 64, "dead": 0,
            "dead_after": 10**9, "force_dead": True, "seed": 0, "threads": 1,
        }  # fmt: skip
        side = Side(name, setting, Path(folder))
        in_turn([side], range(options.steps + 1), warm=1)
        time = side.timed().cpu / options.batch
        figures, _ = side.finish()
        side.close()
        return Cell(time, figures["peak_bytes"])


def exponent(sizes: tuple[int, ...], values: list[float]) -> float:
    """b of value = a · size^b, by least squares of the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


if __name__ == "__main__":
    sys.exit(main())
