"""What steering does on a finished run: Table 2 and the dose slopes of every intervention, beside
random directions; then the same again, byte for byte.

The default size is the whole one; see docs/steering.md for how long it takes.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from pipeline.progress import TqdmProgress
from pipeline.stages.steering_evaluation import evaluate
from pipeline.steering.evaluation import STAGE
from pipeline.steering.settings import EVALUATED, EvaluationConfig
from pipeline.steering.table import lines, mean_slopes
from pipeline.store.run_directory import RunDirectory

PAIRS = Path(__file__).resolve().parents[1] / "fixtures" / "steering_pairs.toml"
RAISED = 0.8
"""Share of features whose own activation is to rise when the steered audio is read again."""


def main() -> int:
    """Evaluate, print the tables, evaluate again and compare; 1 if a byte differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dir", type=Path, help="a run directory with exemplars and labels")
    parser.add_argument("--features", type=int, default=100)
    parser.add_argument("--takes", type=int, default=4, help="seeds")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each clip")
    parser.add_argument("--interventions", nargs="+", default=list(EVALUATED), metavar="NAME")
    parser.add_argument("--once", action="store_true", help="do not evaluate a second time")
    options = parser.parse_args()
    directory = RunDirectory(options.dir)
    config = EvaluationConfig(
        features=options.features, takes=options.takes, seconds=options.seconds,
        interventions=tuple(options.interventions), pairs=str(PAIRS),
    )  # fmt: skip
    files = _evaluated(config, directory)
    print("\n".join(lines(directory)))
    _print_raised(directory)
    if options.once:
        return 0
    same = _evaluated(config, directory) == files
    print("second run: the same bytes" if same else "second run: other bytes")
    return 0 if same else 1


def _evaluated(config: EvaluationConfig, directory: RunDirectory) -> dict[str, str]:
    """The hashes of the files that an evaluation writes; prints how long it took."""
    began, busy = time.monotonic(), time.process_time()
    evaluate(config, directory, progress=TqdmProgress())
    wall, processor = time.monotonic() - began, time.process_time() - busy
    print(f"{wall:.0f} s, {processor:.0f} s of processor time", file=sys.stderr)
    files: dict[str, str] = directory.manifest()["stages"][STAGE]["files"]
    return files


def _print_raised(directory: RunDirectory) -> None:
    for row in mean_slopes(directory):
        if (row.intervention, row.measure) == ("add", "similarity") and row.own_raised is not None:
            print(
                f"{row.sae}: adding a feature raised its own activation, read again, for "
                f"{row.own_raised:.0%} of {row.features} (wanted: {RAISED:.0%})"
            )


if __name__ == "__main__":
    sys.exit(main())
