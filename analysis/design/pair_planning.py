"""Planning a study of pairs: power with its Monte Carlo error, and expected width of the interval.

    python -m analysis design pairs --listeners 40 --features 20 --trials 20 --share 0.6

Power is the share of simulated studies (`pair_simulation`) in which the report's test of a
comparison (`pairs.shares`) says that the steered clip is not chosen as often as the other.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.design.pair_simulation import PairDesign, PairStudy, simulate_pairs
from analysis.design.planning import (
    MOST_PARTICIPANTS,
    add_search,
    check,
    monte_carlo_error,
    smallest,
    write,
)
from analysis.errors import AnalysisError
from analysis.estimates.clustering import Linear
from analysis.estimates.intervals import LEVEL, numbered, stream
from analysis.pairs.shares import distance_from_half
from analysis.threads import one_thread

WHOLE = ("listeners", "features", "trials")


@dataclass(frozen=True)
class PairPower:
    """The power and precision of a design."""

    design: PairDesign
    power: float
    """Share of simulated studies whose test is significant."""
    monte_carlo_error: float
    width: float
    """Mean width of the 95 % interval of the share."""
    simulations: int
    comparisons: int = 1
    """How many confirmatory tests it was corrected for."""


@one_thread()
def pair_power(
    design: PairDesign, *, simulations: int, seed: int = 0, comparisons: int = 1
) -> PairPower:
    """Power of the two-sided test at the level 1 − `LEVEL`, over the comparisons (Holm's first).

    A study without a choice counts as not significant.
    """
    check(simulations, comparisons)
    rng = stream(seed, "design pairs")
    level = (1 - LEVEL) / comparisons
    hits, widths = 0, []
    for _ in range(simulations):
        linear = choices(simulate_pairs(design, rng))
        if linear is None:
            continue
        way, n = linear.recommended, len(linear.influence)
        t = distance_from_half(linear, way, n)
        hits += abs(t) > float(stats.t.isf(level / 2, linear.clusters(way) - 1))
        found = linear.share(way, n, LEVEL)
        if found.low is not None and found.high is not None:
            widths.append(found.high - found.low)
    error, width = monte_carlo_error(hits, simulations), float(np.mean(widths)) if widths else 0.0
    return PairPower(design, hits / simulations, error, width, simulations, comparisons)


def choices(study: PairStudy) -> Linear | None:
    """The share of choices that are the steered clip; None with fewer than two listeners."""
    made = study.answer != 0.5
    listener, feature = (numbered(unit[made])[0] for unit in (study.listener, study.feature))
    if len(listener) == 0 or min(listener.max(), feature.max()) < 1:
        return None
    hit = study.hit[made]
    return Linear(float(hit.mean()), (hit - hit.mean()) / len(hit), listener, feature)


def fewest_listeners(
    design: PairDesign, *, wanted: float, simulations: int, seed: int = 0, comparisons: int = 1
) -> PairPower | None:
    """The fewest listeners that reach the power `wanted`, by bisection, to about 5 %.

    None if `MOST_PARTICIPANTS` are too few: where features differ much, more listeners do not make
    up for few features.
    """
    if not 0 < wanted < 1:
        raise AnalysisError(f"the power asked for is {wanted:g}; it must be between 0 and 1")

    def of(listeners: int) -> PairPower:
        made = dataclasses.replace(design, listeners=listeners)
        return pair_power(made, simulations=simulations, seed=seed, comparisons=comparisons)

    return smallest(of, least=4, most=MOST_PARTICIPANTS, wanted=wanted)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m analysis design pairs",
        description="Power and interval width of a planned study of pairs.",
    )
    base = PairDesign()
    for field in dataclasses.fields(PairDesign):
        name, default = field.name, getattr(base, field.name)
        many = {"nargs": "+"} if name == "doses" else {}
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=int if name in WHOLE else float,
            default=default,
            help=f"default {' '.join(map(str, default)) if many else default}",
            **many,  # type: ignore[arg-type]
        )
    add_search(parser, "find the fewest listeners that reach this power")
    return parser


def run_pairs(arguments: Sequence[str]) -> str:
    """The command's answer as text."""
    given = _parser().parse_args(arguments)
    fields = {f.name: getattr(given, f.name) for f in dataclasses.fields(PairDesign)}
    design = PairDesign(**fields | {"doses": tuple(given.doses)})
    how = {"simulations": given.simulations, "seed": given.seed, "comparisons": given.comparisons}
    found = pair_power(design, **how)
    lines = [_described(found)]
    answer: dict[str, object] = {"stated": dataclasses.asdict(found)}
    if given.power is not None:
        least = fewest_listeners(design, wanted=given.power, **how)
        answer["fewest"] = None if least is None else dataclasses.asdict(least)
        lines.append(
            f"No design up to {MOST_PARTICIPANTS} listeners reaches power {given.power:g}: more "
            "features may."
            if least is None
            else f"Fewest listeners for power {given.power:g}:\n{_described(least)}"
        )
    if given.json is not None:
        write(given.json, answer)
    return "\n".join(lines)


def _described(found: PairPower) -> str:
    d = found.design
    several = f" for each of {found.comparisons} by Holm, at least" if found.comparisons > 1 else ""
    return (
        f"{d.listeners} listeners x {d.trials} pairs of {d.features} features, steered clip chosen "
        f"in {d.share:.0%} of choices, listener SD {d.listener_sd:.2f}, feature SD "
        f"{d.feature_sd:.2f}, no difference between equal clips {d.ties:.0%}:\n"
        f"  power {found.power:.3f}{several} (Monte Carlo error {found.monte_carlo_error:.3f}), "
        f"expected width of the 95 % interval {100 * found.width:.1f} points"
    )
