"""Does the interval of a dose–response contain the slope of the listeners who answered?

    python -m benchmarks.simulated.pairs [--seeds 20] [--participants 30] [--dose 0.8]

For every seed a study of pairs is made (eight features, add at α = 1 and 2 against no steering) and
served; `manage.py simulate --dose` sends listeners through its pages over HTTP, whose log-odds of
choosing the steered clip are the slope times α; `manage.py export` and `python -m analysis` follow.
The 95 % interval must contain the slope in at least 17 of 20 seeds. The listeners do not differ in
their slopes, which the model allows them to.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from benchmarks.common.served import ROOT, Served, served

NEEDED_SHARE = 17 / 20
SLOPE = "pair_slope_add"
STUDY = """
from tests.studyapp.factories import make_pair_study
make_pair_study(slug="pairs-{seed}", methods=["descriptors"], features=8, trials=8,
                contrasts=["add@1/plain", "add@2/plain"],
                ratings_per_item={ratings}, seed={seed})
"""


def main() -> int:
    """Print a row per seed. Return 1 if too few intervals contain the slope."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--participants", type=int, default=30)
    parser.add_argument("--dose", type=float, default=0.8)
    given = parser.parse_args()
    with served() as site:
        rows = [
            _estimate(site, seed, given.participants, given.dose)
            for seed in tqdm(range(1, given.seeds + 1), unit="seed")
        ]
    hits = sum(low <= given.dose <= high for _, low, high in rows)
    print(f"{'seed':>4} {'slope':>8} {'low':>8} {'high':>8}")
    for seed, (value, low, high) in enumerate(rows, 1):
        print(f"{seed:>4} {value:>8.3f} {low:>8.3f} {high:>8.3f}")
    mean = sum(value for value, _, _ in rows) / len(rows)
    print(f"{hits} of {len(rows)} contain {given.dose:g}; mean estimate {mean:.3f}")
    return 0 if hits >= NEEDED_SHARE * len(rows) else 1


def _estimate(site: Served, seed: int, participants: int, dose: float) -> tuple[float, ...]:
    """One study, its listeners, its export and its report: the slope and its interval."""
    # 8 features × 2 contrasts share the 8 trials of each listener.
    site.python(STUDY.format(seed=seed, ratings=-(-participants // 2)))
    slug, folder = f"pairs-{seed}", site.data / f"report-{seed}"
    _run(site, "manage.py", "simulate", slug, "--participants", str(participants), "--url",
         site.url, "--seed", str(seed), "--dose", str(dose))  # fmt: skip
    _run(site, "manage.py", "export", slug, "--out", str(folder / "export"))
    [table] = (folder / "export").rglob("responses.csv")
    _run(site, "-m", "analysis", str(table), "--out", str(folder / "report"))
    [row] = _rows(folder / "report" / "estimates.csv")
    return tuple(float(row[name]) for name in ("value", "low", "high"))


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from (row for row in csv.DictReader(file) if row["name"] == SLOPE)


def _run(site: Served, *command: str) -> None:
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=site.environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr[-2000:]}")


if __name__ == "__main__":
    sys.exit(main())
