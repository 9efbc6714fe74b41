"""Coverage of what a report says of pair trials: shares, slopes, strengths and CLAP's agreement.

Listeners and features have slopes of their own (standard deviation 0.5 each on the logit per unit
of α), listeners a bias towards the first clip (0.3); 15 % of the answers about equal clips are "no
difference". Each listener judges 20 steered clips, at α = 0.5, 1 and 2 in turn, against unsteered
ones. The truth is that of new listeners about new features.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import pandas as pd

from analysis.arrays import Floats
from analysis.design.pair_simulation import PairDesign, PairStudy, simulate_pairs
from analysis.pairs.bradley_terry import describe_strengths, fit_strengths, strength_name
from analysis.pairs.clap import Clip, Cosines, describe_clap
from analysis.pairs.doses import describe_doses
from analysis.pairs.shares import describe_shares, describe_tests, dose_name
from analysis.pairs.trials import Arm, Pairs
from analysis.reading.plan import PAIR_KINDS
from benchmarks.statistics_coverage.tally import Tally

DOSES = (0.5, 1.0, 2.0)
CLAP_RIGHT = 0.75
"""Share of the clips of which CLAP prefers the steered one, at random."""
PLAIN = Arm(3, "", 0.0)
SLOPES = {
    "pair_sd_slope_listener_add": "listener_sd",
    "pair_sd_slope_feature_add": "feature_sd",
    "pair_sd_bias_listener_add": "bias_sd",
}


@dataclass(frozen=True)
class PairCell:
    """A design of the grid."""

    design: PairDesign

    @property
    def name(self) -> str:
        """The cell in a line."""
        d = self.design
        return f"{d.listeners} listeners x {d.features} features, share {d.share:g}"

    @cached_property
    def truth(self) -> dict[str, float]:
        """Name to what is true."""
        d, kind = self.design, PAIR_KINDS[0]
        steered, tied, other = d.answers_at(d.slope)
        strengths = _strengths(d)
        return {
            kind: steered / (steered + other),
            f"{kind}_half": steered + tied / 2,
            f"{kind}_no_difference": tied,
            **{dose_name(kind, arm(a)): d.share_at(d.slope, (a,)) for a in d.doses},
            "pair_first_clip": 0.5,
            "pair_slope_add": d.slope,
            "pair_bias_add": 0.0,
            **{name: float(getattr(d, sd)) for name, sd in SLOPES.items()},
            **{
                strength_name(arm(a)): float(value)
                for a, value in zip(d.doses, strengths, strict=True)
            },
            "pair_clap_agrees": 1 - CLAP_RIGHT + (2 * CLAP_RIGHT - 1) * steered / (steered + other),
        }


def arm(alpha: float) -> Arm:
    """A steered clip."""
    return Arm(0, "add", alpha)


def _strengths(design: PairDesign) -> Floats:
    """The log-strengths that a study of endless size would give, [dose]."""
    n, answers = len(design.doses), np.array([1.0, 0.5, 0.0])
    weight = np.concatenate([design.answers_at(design.slope, (a,)) for a in design.doses])
    first = np.repeat(np.arange(1, n + 1), 3)
    second = np.zeros(3 * n, dtype=np.int64)
    return fit_strengths(first, second, np.tile(answers, n), n + 1, weight).value[1:]


def pair_cells() -> list[PairCell]:
    """Ten or forty listeners × ten or fifty features × three shares."""
    levels = product((10, 40), (10, 50), (0.5, 0.65, 0.8))
    return [
        PairCell(PairDesign(listeners, features, share=share, ties=0.15, doses=DOSES))
        for listeners, features, share in levels
    ]


def measure_pairs(cell: PairCell, rng: np.random.Generator, studies: int) -> Tally:
    """Simulated studies of a cell; tests are counted where their null hypothesis is true."""
    tally = Tally()
    for _ in range(studies):
        pairs = pairs_of_study(simulate_pairs(cell.design, rng))
        found = [
            *describe_shares(pairs, "a"),
            *describe_doses(pairs, "a")[0],
            *describe_strengths(pairs, "a"),
            *describe_clap(pairs, _cosines(cell.design, rng), "a"),
        ]
        tally.estimates(found, cell.truth)
        if cell.design.share == 0.5:
            tally.tests(describe_tests(pairs, "a"))
    return tally


def pairs_of_study(study: PairStudy) -> Pairs:
    """A simulated study as the report sees it."""
    names = [f"f{n}" for n in study.feature]
    frame = pd.DataFrame(
        {
            "participation": [f"p{n}" for n in study.listener],
            "feature": names,
            "feature_key": names,
            "method": "a",
            "rating": 3,
            "prompt": "",
            "steering_seed": "",
        }
    )
    arms = [arm(abs(float(alpha))) for alpha in study.dose]
    ahead = study.dose > 0
    first, second = (
        tuple(one if own else PLAIN for one, own in zip(arms, side, strict=True))
        for side in (ahead, ~ahead)
    )
    kind = np.full(len(arms), PAIR_KINDS[0])
    return Pairs(frame, first, second, kind, ahead, study.answer)


def _cosines(design: PairDesign, rng: np.random.Generator) -> Cosines:
    """CLAP prefers each steered clip, whatever listeners hear in it, at random."""
    found: dict[Clip, float] = {}
    for n in range(design.features):
        found[f"f{n}", "", "", 0.0, ""] = 0.5
        for alpha in design.doses:
            found[f"f{n}", "", "add", alpha, ""] = float(rng.random() < CLAP_RIGHT)
    return Cosines(found)
