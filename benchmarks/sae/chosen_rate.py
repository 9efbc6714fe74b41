"""What a run finds when its SAEs are trained at other learning rates: figures side by side.

    python -m benchmarks.sae.chosen_rate data/runs/demo data/runs/recovery

Each run must have its activations, and a corpus with planted concepts. For each rate, *default*
being what `pipeline.sae.rates` gives, a run of the same config is made in `--out`, from the same
activations up to the stage `features`. *FVU* and *silent*: means over SAEs, on validation frames.
*found*: concepts with a latent of an AUROC of 0.85 or more, chosen on train tracks among all SAEs.
A rate is chosen by the columns on validation tracks; those on test tracks are reported for the
rates that are compared, and choose nothing. *CPU s*: processor time of the stage `sae`.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.dictionary_choice import gradable
from pipeline.config import RunConfig, config_from_dict
from pipeline.errors import PipelineError
from pipeline.progress import TqdmProgress
from pipeline.recovery.choice import grades, validation_aurocs
from pipeline.recovery.table import FOUND, recover
from pipeline.run import execute, prepare
from pipeline.sae.checkpoint import read_facts
from pipeline.store.run_directory import RunDirectory

SHARED = ("corpus", "activations")
"""Stages that a learning rate does not reach."""


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+", help="directories of finished runs")
    parser.add_argument(
        "--rates", type=_rate, nargs="+", default=[1e-3, None],
        help="learning rates, or default (default: 1e-3 default)",
    )  # fmt: skip
    parser.add_argument("--seeds", type=int, nargs="+", help="default: that of the run")
    parser.add_argument("--out", type=Path, help="folder for the runs (default: none is kept)")
    options = parser.parse_args()
    print(
        "| run | rate | seed | FVU | silent | kept | found, mean AUROC: validation | test "
        "| CPU s |\n|---|---:|---:|---:|---:|---:|---|---|---:|",
        flush=True,
    )
    try:
        with tempfile.TemporaryDirectory() as folder:
            for run in options.runs:
                compare(
                    RunDirectory(run), options.rates, options.seeds, options.out or Path(folder)
                )
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _rate(text: str) -> float | None:
    return None if text == "default" else float(text)


def compare(
    given: RunDirectory, rates: Sequence[float | None], seeds: Sequence[int] | None, out: Path
) -> None:
    """A row per seed and rate."""
    config = config_from_dict(given.description("config")["config"])
    for seed in seeds or [config.sae.seed]:
        for rate in rates:
            name = "default" if rate is None else f"{rate:g}"
            sae = replace(config.sae, learning_rate=rate, seed=seed)
            place = out / f"{given.path.name}-{name}-{seed}"
            directory, seconds = made(given, replace(config, sae=sae), place)
            cells = [given.path.name, name, seed, *figures(directory), f"{seconds:.0f}"]
            print(f"| {' | '.join(map(str, cells))} |", flush=True)


def made(given: RunDirectory, config: RunConfig, out: Path) -> tuple[RunDirectory, float]:
    """The run of a config on the activations of another, and its training's processor seconds."""
    share(given, prepare(config, out))
    before = _processor_seconds()
    execute(config, out, progress=TqdmProgress(), until="sae")
    seconds = _processor_seconds() - before
    return execute(config, out, progress=TqdmProgress(), until="features"), seconds


def share(given: RunDirectory, other: RunDirectory) -> None:
    """Copy the stages before `sae`."""
    for stage in SHARED:
        if other.is_done(stage):
            continue
        with other.lock(), other.writer(stage) as writer:
            for name in given.manifest()["stages"][stage]["files"]:
                writer.write_bytes(name, given.path_of(name).read_bytes())
            writer.summary.update(given.summary(stage))


def figures(directory: RunDirectory) -> list[Any]:
    """Cells of a row."""
    names = directory.sae_names()
    facts = [read_facts(directory, name) for name in names]
    kept = sum(
        sum(directory.read_table(f"features/{name}.parquet")["kept"].to_pylist()) for name in names
    )
    concepts = gradable(directory)
    aurocs = validation_aurocs([grades(directory, name, concepts) for name in names])
    tested = recover(directory.path, control=False, probe=False, progress=TqdmProgress())
    on_test = [row.detection.auroc for row in tested.rows if row.counted and row.detection]
    return [
        f"{mean(one.validation_fvu or 0.0 for one in facts):.4f}",
        f"{mean(one.validation_dead_share or 0.0 for one in facts):.1%}",
        kept,
        f"{sum(aurocs >= FOUND)} of {len(aurocs)}, {aurocs.mean():.3f}",
        f"{sum(one >= FOUND for one in on_test)} of {len(on_test)}, {mean(on_test):.3f}",
    ]


def _processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    sys.exit(main())
