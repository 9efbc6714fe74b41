"""Full training steps of this project and three peers, in turn, on the same frames.

Each side's step in its own process and environment, A B C … C B A …, so that other work on the
machine slows all alike. With `--dead N` the same N latents are declared dead before every step, and
all sides use the peers' aux_k of d / 2, which cannot be set there.

*in the kernel*: the share of a step's processor time that the operating system took, nearly all of
it to clear memory that the C library had just given back. The pipeline has glibc keep freed memory
(`pipeline.parallel.keep_freed_memory`), the peers do not; each can be measured as installed and
with all freed memory kept. A side as installed was slower with more sides beside it, which is why
there are five by default.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.sae.sides import Side, frames_for, in_turn
from benchmarks.sae.world import World
from pipeline.errors import PipelineError

SIDES: dict[str, dict[str, Any]] = {
    "ours exact": {"side": "ours", "kernel": "exact"},
    "ours bf16": {"side": "ours", "kernel": "bf16"},
    "ours int8": {"side": "ours", "kernel": "int8"},
    "ours dense": {"side": "ours", "kernel": "dense"},
    "sparsify": {"side": "sparsify"},
    "sparsify, memory kept": {"side": "sparsify", "keep": True},
    "saelens": {"side": "saelens"},
    "saelens, memory kept": {"side": "saelens", "keep": True},
    "dictionary_learning": {"side": "dictionary_learning"},
    "dictionary_learning, memory kept": {"side": "dictionary_learning", "keep": True},
}
BASES = ("sparsify", "sparsify, memory kept")
"""The fastest peer, as installed and with the memory that it freed."""
DEFAULT = ("ours exact", "ours bf16", "ours int8", *BASES)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (
        ("d", 1024), ("n", 4096), ("k", 32), ("batch", 4096), ("dead", 0), ("rounds", 6),
        ("threads", 2),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=DEFAULT)
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            measure(options, Path(folder))
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def measure(options: argparse.Namespace, folder: Path) -> None:
    """Step all sides in turn and print a row each."""
    world = World(options.n, options.d)
    paths = frames_for(world, folder, 3 * options.batch, 4096, seed=1)
    setting = paths | {
        "d": options.d, "n": options.n, "k": options.k, "batch": options.batch, "steps": 1000,
        "rate": 1e-3, "aux_k": options.d // 2 if options.dead else 64, "dead": options.dead,
        "dead_after": 10**9, "force_dead": True, "seed": 0, "threads": options.threads,
    }  # fmt: skip
    sides = [Side(name, setting | SIDES[name], folder) for name in options.sides]
    in_turn(sides, range(options.rounds + 2), warm=2)
    print(
        f"d {options.d}, n {options.n}, k {options.k}, batch {options.batch}, {options.dead} dead, "
        f"{options.threads} threads, {options.rounds} rounds\n"
    )
    print(
        "| side | frames/s (median) | frames/CPU-s (median) | best | in the kernel | "
        f"{' | '.join(f'× {name}' for name in BASES)} | peak memory |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    timed = {side.name: side.timed() for side in sides}
    for side in sides:
        found, _ = side.finish()
        side.close()
        time = timed[side.name]
        ratios = (f"{timed[name].cpu / time.cpu:.2f}" if name in timed else "–" for name in BASES)
        print(
            f"| {side.name} | {options.batch / time.wall:,.0f} | {options.batch / time.cpu:,.0f} | "
            f"{options.batch / time.best_cpu:,.0f} | {time.system / time.cpu:.0%} | "
            f"{' | '.join(ratios)} | {found['peak_bytes'] / 2**20:,.0f} MB |"
        )


if __name__ == "__main__":
    sys.exit(main())
