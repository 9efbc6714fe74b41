"""Measures the coverage of the recommended intervals and the false alarms of the tests.

    python -m benchmarks.statistics_coverage [--studies 1000] [--seed 0] [--hard]

With `--hard`, a few cells at the borders of what `analysis.estimates.validity` allows: 10 listeners
or features, the floor of the scale, features rated by up to 40 listeners. Beside what the report
prints (the SD's interval only where it is given: 0 elsewhere) it then measures what the report does
not print, and why: the plain t interval of the mean, and Welch's test of participants' means.

Otherwise: two methods, 40 participants per method with 10 trials each, over participant SD 0 to
0.8, feature SD 0 to 0.9 (latent; a rating's own noise is 1), one and five ratings per feature. In
each simulated study: does the recommended 95 % interval cover the true mean, share >= 4 and
difference; and, with two equal methods, does the confirmatory test falsely find a difference at
5 %? For comparison, the same with all ratings pooled as if they were independent.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from analysis.arrays import Floats
from analysis.design.simulation import Design, simulate
from analysis.estimates.clustering import Linear
from analysis.estimates.comparisons import difference_interval
from analysis.estimates.descriptives import Ratings, _sd_interval, rating_share
from analysis.estimates.hypothesis_tests import hypothesis_tests_of, mean_test
from analysis.estimates.intervals import stream
from analysis.estimates.method_pairs import Pair
from analysis.estimates.participant_tests import welch
from analysis.estimates.results import Interval
from analysis.reading.columns import SCALE

PARTICIPANT_SDS = (0.0, 0.4, 0.8)
FEATURE_SDS = (0.0, 0.45, 0.9)
RATINGS = (1, 5)
FLOOR = (0.75, 0.15, 0.06, 0.03, 0.01)
HARD = (
    Design(participants=10, trials=10, ratings=1, effect=0),
    Design(participants=10, trials=10, ratings=1, effect=0, shares=FLOOR),
    Design(participants=10, trials=10, ratings=10, effect=0),
    Design(participants=10, trials=10, ratings=10, effect=0, shares=FLOOR),
    Design(participants=40, trials=10, ratings=4, effect=0),
    Design(participants=40, trials=10, ratings=4, effect=0, shares=FLOOR),
    Design(participants=40, trials=10, ratings=40, effect=0),
    Design(participants=40, trials=10, ratings=40, effect=0, shares=FLOOR),
)
"""With the default participant SD .8 and feature SD .5."""
HARD_COLUMNS = ("mean", "plain t", "share", "difference", "SD", "false", "paired", "superiority",
                "means")  # fmt: skip
COLUMNS = ("mean", "share", "difference", "false", "pooled", "pooled_false")


@dataclass
class Cell:
    """Counts of one cell of the grid."""

    hits: dict[str, int]
    studies: int

    def percent(self, name: str) -> float:
        """A count as a percentage."""
        return 100 * self.hits[name] / self.studies


def holds(interval: Interval, truth: float) -> bool:
    """Whether there is an interval and the truth is in it."""
    return (
        interval.low is not None
        and interval.high is not None
        and (interval.low <= truth <= interval.high)
    )


def side(pair: Pair, first: bool) -> Ratings:
    """One method's ratings of a simulated pair."""
    mask = pair.is_a == first
    people = pair.participant[mask] - pair.participant[mask].min()
    return Ratings(
        "m", pair.values[mask], people, pair.feature[mask], int(people.max()) + 1, pair.n_features
    )


def recommended_mean(ratings: Ratings) -> Interval:
    """The interval that the report recommends for the mean."""
    linear = ratings.linear(ratings.values)
    return linear.mean_on_scale(linear.recommended, 0.95)


def recommended_difference(pair: Pair, linear: Linear) -> Interval:
    """The interval that the report recommends for the difference."""
    return difference_interval(pair, linear.recommended, 0.95)


def pooled(values: Floats, truth: float) -> bool:
    """Student's interval over ratings, as if they were independent."""
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return bool(abs(values.mean() - truth) <= half)


def measure(design: Design, studies: int, seed: int) -> Cell:
    """One cell of the grid."""
    rng = stream(seed, repr(design))
    cell = Cell(dict.fromkeys(COLUMNS, 0), studies)
    null = replace(design, effect=0.0)
    truth = design.mean(0.0)
    for _ in range(studies):
        pair = simulate(design, rng)
        low, linear = side(pair, first=False), pair.linear(pair.values)
        hits = (low.values >= 4).astype(np.float64)
        share = next(e for e in rating_share(low, hits, "s", "s") if e.recommended)
        shares = Interval(share.low, share.high, share.interval)
        cell.hits["mean"] += holds(recommended_mean(low), truth)
        cell.hits["share"] += holds(shares, design.share(0.0))
        cell.hits["difference"] += holds(recommended_difference(pair, linear), design.effect)
        cell.hits["pooled"] += pooled(low.values, truth)
        same = simulate(null, rng)
        p = mean_test(same).p
        cell.hits["false"] += p is not None and p < 0.05
        a, b = same.values[same.is_a], same.values[~same.is_a]
        cell.hits["pooled_false"] += bool(stats.ttest_ind(a, b).pvalue < 0.05)
    return cell


def measure_hard(design: Design, studies: int, seed: int) -> Cell:
    """One cell at the border: two equal methods."""
    rng = stream(seed, repr(design))
    cell = Cell(dict.fromkeys(HARD_COLUMNS, 0), studies)
    steps, shares = np.array(SCALE), np.array(design.shares)
    mean = float(steps @ shares)
    sd = math.sqrt(float((steps - mean) ** 2 @ shares))
    for _ in range(studies):
        pair = simulate(design, rng)
        low, linear = side(pair, first=False), pair.linear(pair.values)
        one = low.linear(low.values)
        way = one.recommended
        hits = (low.values >= 4).astype(np.float64)
        share = next(e for e in rating_share(low, hits, "s", "s") if e.recommended)
        squares = low.linear((low.values - low.values.mean()) ** 2)
        tests = {t.name: t.p for t in hypothesis_tests_of(pair, seed=seed, resamples=100)}
        a, b = (s.total / s.weight for s in pair.sides(pair.values))
        means = welch(a, b)
        found = {
            "mean": holds(one.mean_on_scale(way, 0.95), mean),
            "plain t": holds(one.student(way, 0.95, (1.0, 5.0)), mean),
            "share": holds(Interval(share.low, share.high, ""), float(shares[3:].sum())),
            "difference": holds(recommended_difference(pair, linear), 0.0),
            "SD": holds(_sd_interval(squares, way, len(low.values), 0.95), sd),
            "false": _rejected(tests["difference_mean_confidence"]),
            "paired": _rejected(tests["difference_paired_by_feature"]),
            "superiority": _rejected(tests["superiority_ratings"]),
            "means": _rejected(means.p if means else None),
        }
        for name, hit in found.items():
            cell.hits[name] += hit
    return cell


def _rejected(p: float | None) -> bool:
    return p is not None and p < 0.05


def hard(studies: int, seed: int) -> None:
    """The table of the hard cells."""
    print("listeners x features x ratings per feature; SD: 0 where no interval is given")
    print(" " * 24 + "".join(f"{name:>12}" for name in HARD_COLUMNS), flush=True)
    for design in HARD:
        cell = measure_hard(design, studies, seed)
        place = "floor" if design.shares == FLOOR else "middle"
        name = f"{design.participants} x {design.n_features} x {design.ratings}, {place}"
        row = "".join(f"{cell.percent(column):>12.1f}" for column in HARD_COLUMNS)
        print(f"{name:<24}{row}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000, help="simulated studies per cell")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hard", action="store_true", help="the cells at the borders")
    given = parser.parse_args()
    if given.hard:
        hard(given.studies, given.seed)
        return
    start = time.perf_counter()
    print(
        "Coverage of 95 % intervals and false alarms at 5 %, in per cent; "
        f"{given.studies} studies per cell."
    )
    print(f"Monte Carlo error at 95 %: {100 * math.sqrt(0.95 * 0.05 / given.studies):.2f}.")
    print(
        f"{'ratings':>8}{'SD part.':>9}{'SD feat.':>9} |{'mean':>7}{'share':>7}{'diff.':>7}"
        f"{'false':>7} |{'pooled: mean':>14}{'false':>7}"
    )
    cells = []
    for ratings in RATINGS:
        for participant_sd in PARTICIPANT_SDS:
            for feature_sd in FEATURE_SDS:
                design = Design(
                    ratings=ratings,
                    participant_sd=participant_sd,
                    feature_sd=feature_sd,
                    effect=0.5,
                )
                cell = measure(design, given.studies, given.seed)
                cells.append(cell)
                print(
                    f"{ratings:>8}{participant_sd:>9.2f}{feature_sd:>9.2f} |"
                    + "".join(f"{cell.percent(name):>7.1f}" for name in COLUMNS[:4])
                    + f" |{cell.percent('pooled'):>14.1f}{cell.percent('pooled_false'):>7.1f}",
                    flush=True,
                )
    covered = [cell.percent(name) for cell in cells for name in COLUMNS[:3]]
    alarms = [cell.percent("false") for cell in cells]
    print(
        f"Coverage from {min(covered):.1f} to {max(covered):.1f} %, false alarms at most "
        f"{max(alarms):.1f} %; {time.perf_counter() - start:.0f} s."
    )


if __name__ == "__main__":
    main()
