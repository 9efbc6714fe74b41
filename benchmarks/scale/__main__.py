"""Peak memory and processor time of the stages features to scores, as latents and tracks grow.

    python -m benchmarks.scale             768 to 65,536 latents, 200 to 3,200 tracks

Each stage runs in a process of its own, on a made-up run (`benchmarks.scale.made_run`), narrower
than the paper's and with shorter tracks. A last row has the paper's width, frames and k, for what
does not depend on the number of tracks. *Exponent*: the slope of log CPU seconds over log tracks,
between the two largest numbers of tracks; 1 is linear. CPU seconds hardly depend on what else the
machine does. *MB per 1,000 tracks*: the growth of the peak between the same two; from it, the peak
at 160,000 tracks and 65,536 latents. `features` sorts latents in as many groups there as here, and
a group takes `[machine] memory_gb` at most; so the peak is not under that of a sort which takes
all of it. Returns 1 if that is over `LIMIT_GB` or an exponent over
`LIMIT_EXPONENT`; after `features` that of CPU seconds per kept feature, of which more tracks leave
more or fewer.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from itertools import pairwise
from math import log
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from benchmarks.scale.made_run import track
from pipeline import pieces
from pipeline.config import MachineConfig
from pipeline.parallel import keep_freed_memory, torch_threads
from pipeline.progress import SilentProgress
from pipeline.registry import resolve
from pipeline.run import STAGE_FUNCTIONS
from pipeline.store.run_directory import RunDirectory
from pipeline.subjects.base import SubjectFacts
from pipeline.subjects.extraction import shards_of

STAGES = ("features", "exemplars", "labels", "scores")
LATENTS, TRACKS = (768, 8192, 65_536), (200, 800, 3200)
WIDTH, FRAMES, K = 64, 50, 32
PAPER = {"tracks": 16, "latents": 65_536, "width": 2048, "frames": 500, "k": 100}
GOAL_TRACKS = 160_000
LIMIT_GB = 4.0
LIMIT_EXPONENT = 1.15
"""A little over 1, since a short measurement is noisy."""


class Measured(NamedTuple):
    """One stage of one run."""

    tracks: int
    latents: int
    stage: str
    cpu: float
    wall: float
    peak: float
    """MB, the interpreter and its libraries included."""
    kept: int


def main() -> int:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--latents", type=int, nargs="+", default=LATENTS)
    parser.add_argument("--tracks", type=int, nargs="+", default=TRACKS)
    parser.add_argument("--without-width", action="store_true", help="skip the paper's width")
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        print(json.dumps(_work(options.stage, options.run)))
        return 0
    print(f"2,000 tracks of random length between 7.5 and 10 s: {_shards()} shards\n")
    print("| latents | tracks | kept | stage | CPU s | wall s | peak MB |", flush=True)
    print("|---|---|---|---|---|---|---|", flush=True)
    found = [
        row
        for latents in options.latents
        for tracks in options.tracks
        for row in _measured(STAGES, tracks, latents, width=WIDTH, frames=FRAMES, k=K)
    ]
    wide = [] if options.without_width else _measured(("features",), **PAPER)
    return _conclude(found, wide)


def _shards() -> int:
    """Activation files of 2,000 tracks of random length, under MusicGen's codec."""
    facts = SubjectFacts("", 32_000, 50.0, n_codebooks=4, n_blocks=24, width=1024, codec_width=128)
    drawn = Random(0)
    tracks = [replace(track(n), seconds=drawn.uniform(7.5, 10.0)) for n in range(2000)]
    return len(shards_of(tracks, facts))


def _measured(stages: tuple[str, ...], tracks: int, latents: int, **shape: int) -> list[Measured]:
    """Make a run and measure its stages, each in a process of its own."""
    with tempfile.TemporaryDirectory() as made:
        _call("make", Path(made), json.dumps({"tracks": tracks, "latents": latents, **shape}))
        rows = []
        for stage in stages:
            if stage == "scores":
                _call("embed", Path(made))
            rows.append(Measured(tracks, latents, stage, **_call(stage, Path(made))))
            print(_line(rows[-1]), flush=True)
        return rows


def _line(row: Measured) -> str:
    return (
        f"| {row.latents:,} | {row.tracks:,} | {row.kept:,} | {row.stage} | {row.cpu:.1f} "
        f"| {row.wall:.1f} | {row.peak:.0f} |"
    )


def _call(stage: str, folder: Path, shape: str = "") -> dict[str, Any]:
    if shape:
        (folder / "shape.json").write_text(shape)
    command = [sys.executable, "-m", "benchmarks.scale", "--stage", stage, "--run", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _work(stage: str, folder: Path) -> dict[str, Any]:
    """One step, in its own process."""
    from benchmarks.scale import made_run

    directory, config = RunDirectory(folder / "run"), made_run.config_of(folder)
    if stage == "make":
        made_run.make_run(folder, **json.loads((folder / "shape.json").read_text()))
        return {}
    if stage == "embed":
        made_run.embed_tracks(config, directory)
        return {}
    keep_freed_memory()  # as the command does
    cpu, wall = time.process_time(), time.monotonic()
    work = resolve(STAGE_FUNCTIONS, stage, "stage")
    with torch_threads(config.machine):
        if isinstance(work, type):  # a stage that falls into pieces
            pieces.make(work(config, directory), directory, progress=SilentProgress())
        else:
            work(config, directory, progress=SilentProgress())
    counts = next(iter(directory.summary("features").values()))
    return {
        "cpu": time.process_time() - cpu,
        "wall": time.monotonic() - wall,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
        "kept": counts.get("kept", 0),
    }


def _conclude(found: list[Measured], wide: list[Measured]) -> int:
    """Print exponents and the peak at the goal; 1 if a limit is exceeded."""
    print(
        "\n| latents | stage | exponent in tracks | of it per kept feature | MB per 1,000 tracks |"
    )
    print("|---|---|---|---|---|")
    sound = True
    for latents in sorted({row.latents for row in found}):
        for stage in STAGES:
            rows = [row for row in found if (row.latents, row.stage) == (latents, stage)]
            for less, more in list(pairwise(rows))[-1:]:
                power = _exponent(less, more, less.cpu, more.cpu)
                kept = max(1, less.kept), max(1, more.kept)
                each = _exponent(less, more, less.cpu / kept[0], more.cpu / kept[1])
                growth = _slope(less, more)
                print(f"| {latents:,} | {stage} | {power:.2f} | {each:.2f} | {growth:.1f} |")
                sound &= (power if stage == "features" else each) <= LIMIT_EXPONENT
    print(
        f"\n| stage | peak at {GOAL_TRACKS:,} tracks, {max(r.latents for r in found):,} latents |"
    )
    print("|---|---|")
    for stage in STAGES:
        peak = _at_goal([row for row in found if row.stage == stage], wide)
        print(f"| {stage} | {peak / 1000:.2f} GB |")
        sound &= peak / 1000 <= LIMIT_GB
    return 0 if sound else 1


def _exponent(less: Measured, more: Measured, before: float, after: float) -> float:
    return log(after / before) / log(more.tracks / less.tracks)


def _slope(less: Measured, more: Measured) -> float:
    """MB per 1,000 tracks."""
    return max(0.0, more.peak - less.peak) / (more.tracks - less.tracks) * 1000


def _at_goal(rows: list[Measured], wide: list[Measured]) -> float:
    """MB: the largest run's peak, or that of the paper's width, and what the other tracks add."""
    most = max(row.latents for row in rows)
    less, more = [row for row in rows if row.latents == most][-2:]
    start = max([more.peak, *(row.peak for row in wide if row.stage == more.stage)])
    if more.stage == "features":
        # No batch is encoded while groups are sorted, but the encoder is still there.
        encoder = 4 * PAPER["width"] * PAPER["latents"]
        start = max(start, more.peak + MachineConfig().memory_gb * 1000 + encoder / 1e6)
    return start + _slope(less, more) * (GOAL_TRACKS - more.tracks) / 1000


if __name__ == "__main__":
    sys.exit(main())
