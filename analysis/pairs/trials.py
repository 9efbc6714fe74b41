"""Pair trials as numbers: what was compared, which clip a comparison is about, what was answered.

A comparison is named after what its two clips are. Its *focal* clip is the steered one, or of two
steered by the same intervention the one with the larger α; then the one made by a prompt, then the
one that was steered at random. `hit` is 1 where it was chosen, 0 where the other was, and ½ for
"no difference".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.arrays import Floats
from analysis.estimates.descriptives import Ratings, ratings_of
from analysis.reading.columns import NO_DIFFERENCE, ROLES, number
from analysis.reading.plan import DOSES, PAIR_KINDS, PAIR_TEST
from analysis.reading.table import Responses

Bools = npt.NDArray[np.bool_]

CLIPS = {
    "steered": "the steered clip",
    "prompt": "the clip made by a prompt",
    "random": "the randomly steered clip",
    "plain": "the unsteered clip",
}
"""A clip by its role, in words."""
TIE = 0.5


@dataclass(frozen=True, order=True)
class Arm:
    """One way of making a clip, whatever the feature."""

    place: int
    """Of its role in `ROLES`."""
    intervention: str
    strength: float

    @property
    def role(self) -> str:
        """What the clip is."""
        return ROLES[self.place]

    @property
    def words(self) -> str:
        """As a table shows it."""
        if self.role == "plain":
            return "unsteered"
        if self.role == "prompt":
            return self.intervention or self.role
        what = self.intervention or self.role
        if self.role == "random" and "random" not in what:
            what = f"random ({what})"
        return f"{what}, α = {self.strength:g}"

    @property
    def key(self) -> str:
        """In the name of an estimate."""
        if self.role == "plain":
            return "plain"
        parts = [self.role, self.intervention.replace(" ", "-"), f"{self.strength:g}"]
        return "_".join(part for part in parts if part)


@dataclass(frozen=True)
class Pairs:
    """Some pair trials; everything else is [trial]."""

    frame: pd.DataFrame
    first: tuple[Arm, ...]
    """Of the clip that was shown first."""
    second: tuple[Arm, ...]
    kind: npt.NDArray[np.str_]
    """The comparison, one of `PAIR_KINDS`; empty for one that has no name."""
    focal_first: Bools
    """Whether the focal clip was shown first."""
    answer: Floats
    """1 where the first clip was chosen, 0 the second, ½ no difference."""

    @property
    def hit(self) -> Floats:
        """1 where the focal clip was chosen, 0 the other one, ½ no difference."""
        return np.asarray(np.where(self.focal_first, self.answer, 1 - self.answer))

    @property
    def decided(self) -> Bools:
        """Whether one of the clips was chosen."""
        return np.asarray(self.answer != TIE)

    @property
    def focal(self) -> list[Arm]:
        """The focal clip's arm."""
        both = zip(self.first, self.second, self.focal_first, strict=True)
        return [a if first else b for a, b, first in both]

    @property
    def methods(self) -> list[str]:
        """Whose labels were asked about."""
        return sorted(self.frame["method"].unique())

    def only(self, keep: Bools) -> Pairs:
        """Some of the trials."""
        first, second = (
            tuple(a for a, kept in zip(side, keep, strict=True) if kept)
            for side in (self.first, self.second)
        )
        return Pairs(
            self.frame[keep],
            first,
            second,
            self.kind[keep],
            self.focal_first[keep],
            self.answer[keep],
        )

    def of(self, method: str) -> Pairs:
        """The trials about one method's labels."""
        return self.only((self.frame["method"] == method).to_numpy(dtype=bool))

    def ratings(self, method: str) -> Ratings:
        """Who answered about which feature."""
        return ratings_of(self.frame, method)


def pairs_of(responses: Responses) -> Pairs:
    """The pair trials of a checked table that has only such (`reading.trial_kinds`)."""
    frame = responses.ratings.reset_index(drop=True)
    first, second = (_arms(frame, i) for i in (1, 2))
    kind = [_kind(a, b) for a, b in zip(first, second, strict=True)]
    focal_first = [_ahead(a, b) for a, b in zip(first, second, strict=True)]
    return Pairs(
        frame,
        first,
        second,
        np.array(kind, dtype=np.str_),
        np.array(focal_first, dtype=bool),
        _answers(frame),
    )


def _arms(frame: pd.DataFrame, i: int) -> tuple[Arm, ...]:
    columns = (frame[f"clip_{what}_{i}"] for what in ("role", "intervention", "strength"))
    return tuple(
        Arm(ROLES.index(role), "" if role == "plain" else name, number(alpha) or 0.0)
        for role, name, alpha in zip(*columns, strict=True)
    )


def _kind(a: Arm, b: Arm) -> str:
    if a.place == b.place:
        same = a.intervention == b.intervention and a.strength != b.strength
        return DOSES if same and a.role == "steered" else ""
    roles = sorted((a, b))
    return f"{PAIR_TEST}{roles[0].role}_{roles[1].role}"


def _ahead(a: Arm, b: Arm) -> bool:
    """Whether `a` is the focal one."""
    return (a.place, -a.strength, a.intervention) <= (b.place, -b.strength, b.intervention)


def _answers(frame: pd.DataFrame) -> Floats:
    chosen = frame["chosen_position"].map(lambda text: 1.0 if number(text) == 1 else 0.0)
    if "answer" not in frame.columns:
        return chosen.to_numpy(dtype=np.float64)
    return np.where(frame["answer"] == NO_DIFFERENCE, TIE, chosen).astype(np.float64)


def null_of(kind: str) -> str:
    """The null hypothesis of a comparison, in words."""
    return f"{' and '.join(sides_of(kind))} are chosen equally often"


def sides_of(kind: str) -> tuple[str, str]:
    """A comparison's focal clip and the other one, in words."""
    if kind == DOSES:
        return "the clip with the larger α", "the one with the smaller α"
    focal, other = kind.removeprefix(PAIR_TEST).split("_")
    return CLIPS[focal], CLIPS[other]


def kinds_in(pairs: Pairs) -> list[str]:
    """The comparisons that the trials have, in the order of `PAIR_KINDS`."""
    return [kind for kind in PAIR_KINDS if np.any(pairs.kind == kind)]
