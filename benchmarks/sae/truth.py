"""Which known directions do SAEs find? Ours, by variant, and three peers', at equal frames.

The world is `benchmarks.sae.world`. Every side sees the same frames in the same order, at each of
the same learning rates; the table gives each side at the rate of its smallest held-out FVU (with
`--every-rate` at each), means over seeds. *cosine*: mean over directions of the largest cosine with
any latent. *found*: directions with a cosine of 0.9 or more, and in brackets the fewest and most of
any seed. *MCC*: mean cosine of the best one-to-one matching. *missed*: directions not found per
seed, of those that are parents or children in hierarchical pairs, in correlated ones, and in none.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

from benchmarks.sae.sides import Side, frames_for
from benchmarks.sae.world import Truth, World, truth
from pipeline.errors import PipelineError

SIDES: dict[str, dict[str, Any]] = {
    "ours topk": {"side": "ours", "kernel": "exact"},
    "ours topk bf16": {"side": "ours", "kernel": "bf16"},
    "ours scaled start": {"side": "ours", "scaled_start": True},
    "ours batch-topk": {"side": "ours", "variant": "batch-topk"},
    "ours jumprelu": {"side": "ours", "variant": "jumprelu"},
    "ours Matryoshka": {"side": "ours", "prefixes": [0.125, 0.25, 0.5]},
    "ours Matryoshka batch-topk": {
        "side": "ours", "variant": "batch-topk", "prefixes": [0.125, 0.25, 0.5],
    },
    "sparsify": {"side": "sparsify"},
    "saelens": {"side": "saelens"},
    "dictionary_learning": {"side": "dictionary_learning"},
}  # fmt: skip


class Found(NamedTuple):
    """One side at one rate and seed."""

    figures: Mapping[str, float]
    truth: Truth
    cpu: float
    """Seconds of all steps."""


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (
        ("directions", 512), ("d", 128), ("n", 1024), ("k", 16), ("batch", 1024), ("steps", 1500),
        ("seeds", 3), ("threads", 2), ("dead-after", 100_000), ("held-out", 20_480),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-3, 3e-3, 6e-3, 1.2e-2])
    for name in ("correlated", "hierarchical"):
        parser.add_argument(f"--{name}", type=float, default=1 / 8)
    parser.add_argument("--every-rate", action="store_true")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    options = parser.parse_args()
    world = World(
        options.directions, options.d,
        correlated=options.correlated, hierarchical=options.hierarchical,
    )  # fmt: skip
    print(
        f"{options.directions} directions ({options.correlated:.3g} in correlated pairs, "
        f"{options.hierarchical:.3g} in hierarchical), d {options.d}, n {options.n}, "
        f"k {options.k}, {options.steps:,} × {options.batch:,} frames, {options.seeds} seeds\n\n"
        "| side | rate | FVU | L0 | dead | cosine | found | MCC | "
        f"missed: {', '.join(world.kinds())} | CPU s |\n"
        "|---|---|---|---|---|---|---|---|---|---|",
        flush=True,
    )
    try:
        with tempfile.TemporaryDirectory() as folder:
            count = options.steps * options.batch
            paths = frames_for(world, Path(folder), count, options.held_out, seed=1)
            for name in options.sides:
                print(row(name, world, paths, options, Path(folder)), flush=True)
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def row(
    name: str, world: World, paths: Mapping[str, str], options: argparse.Namespace, folder: Path
) -> str:
    """One side at its best rate, or at each."""
    first = setting_of(name, options.rates[0], 0, paths, options)
    side = Side(name, first, folder)
    tried = {
        rate: [
            trained(side, setting_of(name, rate, seed, paths, options), world)
            for seed in range(options.seeds)
        ]
        for rate in options.rates
    }
    side.close()
    best = min(tried, key=lambda one: mean(found.figures["fvu"] for found in tried[one]))
    shown = options.rates if options.every_rate else [best]
    return "\n".join(line(name, rate, tried[rate]) for rate in shown)


def line(name: str, rate: float, seeds: Sequence[Found]) -> str:
    """Means over seeds."""
    fvu, l0, dead = (mean(one.figures[key] for one in seeds) for key in ("fvu", "l0", "dead"))
    cosine, found, mcc = (
        mean(getattr(one.truth, key) for one in seeds) for key in ("mean_cosine", "found", "mcc")
    )
    every = [one.truth.found for one in seeds]
    missed = (
        f"{mean(one.truth.missed[kind] for one in seeds):.3g}" for kind in seeds[0].truth.missed
    )
    return (
        f"| {name} | {rate:g} | {fvu:.4f} | {l0:.1f} | {dead:.1%} | {cosine:.3f} | {found:.1%} "
        f"[{min(every):.1%}, {max(every):.1%}] | {mcc:.3f} | {', '.join(missed)} | "
        f"{mean(one.cpu for one in seeds):.0f} |"
    )


def setting_of(
    name: str, rate: float, seed: int, paths: Mapping[str, str], options: argparse.Namespace
) -> dict[str, Any]:
    """What a side is told."""
    own = {"rate": rate, "seed": seed, "aux_k": 64, "dead": 0, "force_dead": False}
    given = ("d", "n", "k", "batch", "steps", "dead_after", "threads")
    return dict(paths) | {key: getattr(options, key) for key in given} | own | SIDES[name]


def trained(side: Side, setting: Mapping[str, Any], world: World) -> Found:
    """Train one side once."""
    side.begin(setting)
    for step in range(setting["steps"]):
        side.step(step)
    cpu = side.timed().cpu * setting["steps"]
    figures, decoder = side.finish()
    return Found(figures, truth(world, decoder.float()), cpu)


if __name__ == "__main__":
    sys.exit(main())
