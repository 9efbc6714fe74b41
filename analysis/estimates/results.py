"""What an analysis says: estimates with their interval, its kind and the counts behind them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

NOT_ESTIMABLE = "Not estimable"


@dataclass(frozen=True)
class Counts:
    """What stands behind a number."""

    n_ratings: int
    n_participants: int
    n_features: int


@dataclass(frozen=True)
class Estimate:
    """One number with its interval. `value` is None where the data cannot say, and `reason` why.

    An estimate may have a value and no interval (one participant, say): then `low` and `high` are
    None and `reason` tells why there is none.
    """

    name: str
    """Stable machine name, such as `share_at_least_4`."""
    label: str
    """Exactly what it is, in words."""
    method: str
    """The method, or for a comparison "A − B"."""
    unit: str
    """`scale` (steps of the 1–5 scale), `share` (0–1) or `none`."""
    value: float | None
    low: float | None
    high: float | None
    interval: str
    """Kind of interval, such as "studentised bootstrap by participant"."""
    level: float
    n_ratings: int
    n_participants: int
    n_features: int
    count: int | None = None
    """The numerator, where the value is a share of something countable."""
    of: int | None = None
    """Its denominator."""
    reason: str = ""
    clustered_by: str = ""
    """What the interval takes as the independent units, where there is a choice."""
    recommended: bool = True
    """False for the same value under another interval, shown for comparison."""

    def __post_init__(self) -> None:
        for number in (self.value, self.low, self.high):
            if number is not None and not math.isfinite(number):
                raise ValueError(f"{self.name} of {self.method}: {number} is not a finite number")
        if (self.low is None) != (self.high is None):
            raise ValueError(f"{self.name} of {self.method}: half an interval")
        if self.low is None and not self.reason:
            raise ValueError(f"{self.name} of {self.method}: no interval and no reason")

    @property
    def estimable(self) -> bool:
        """Whether there is a value."""
        return self.value is not None


@dataclass(frozen=True)
class Interval:
    """Two limits and their kind, or no limits and the reason."""

    low: float | None
    high: float | None
    kind: str
    reason: str = ""

    @classmethod
    def none(cls, reason: str) -> Interval:
        """No interval, because of `reason`."""
        return cls(None, None, "none", reason)


def estimate(
    *,
    name: str,
    label: str,
    method: str,
    unit: str,
    value: float,
    interval: Interval,
    level: float,
    counts: Counts,
    count: int | None = None,
    of: int | None = None,
    clustered_by: str = "",
    recommended: bool = True,
) -> Estimate:
    """An `Estimate` from a value and its interval."""
    return Estimate(
        name=name,
        label=label,
        method=method,
        unit=unit,
        value=float(value),
        low=interval.low,
        high=interval.high,
        interval=interval.kind,
        level=level,
        n_ratings=counts.n_ratings,
        n_participants=counts.n_participants,
        n_features=counts.n_features,
        count=count,
        of=of,
        reason=interval.reason,
        clustered_by=clustered_by,
        recommended=recommended,
    )


def not_estimable(
    *, name: str, label: str, method: str, unit: str, reason: str, level: float, counts: Counts
) -> Estimate:
    """An `Estimate` without a value, because of `reason`."""
    return Estimate(
        name=name,
        label=label,
        method=method,
        unit=unit,
        value=None,
        low=None,
        high=None,
        interval="none",
        level=level,
        n_ratings=counts.n_ratings,
        n_participants=counts.n_participants,
        n_features=counts.n_features,
        reason=reason,
    )


def no_value(name: str, label: str, ratings: HasCounts, reason: str, level: float) -> Estimate:
    """`not_estimable` for a number without unit of one method's ratings."""
    return not_estimable(
        name=name,
        label=label,
        method=ratings.method,
        unit="none",
        reason=reason,
        level=level,
        counts=ratings.counts,
    )


class HasCounts(Protocol):
    """One method's ratings, as far as a result needs to know them."""

    @property
    def method(self) -> str:
        """The method."""

    @property
    def counts(self) -> Counts:
        """What stands behind its numbers."""


@dataclass(frozen=True)
class HypothesisTest:
    """One test of one comparison. `p` is None where the data cannot say, and `reason` why."""

    name: str
    label: str
    method: str
    """The comparison, "A − B"."""
    family: str
    """`confirmatory` (adjusted by Holm) or `exploratory` (adjusted by Benjamini and Hochberg)."""
    statistic: float | None
    df: float | None
    p: float | None
    p_adjusted: float | None
    n_participants: int
    note: str = ""
    """How the p-value came about, such as "exact, 252 permutations"."""
    reason: str = ""

    def __post_init__(self) -> None:
        for number in (self.statistic, self.df, self.p, self.p_adjusted):
            if number is not None and not math.isfinite(number):
                raise ValueError(f"{self.name} of {self.method}: {number} is not a finite number")
        if self.p is None and not self.reason:
            raise ValueError(f"{self.name} of {self.method}: no p-value and no reason")


@dataclass(frozen=True)
class Summary:
    """Everything that the report says, as data; `summary.json` is this."""

    table: str
    table_sha256: str
    seed: int
    resamples: int
    level: float
    methods: tuple[str, ...]
    accounting: dict[str, Any]
    estimates: tuple[Estimate, ...]
    tests: tuple[HypothesisTest, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    """What must be read before any figure (`population`)."""
    exclusions: tuple[dict[str, Any], ...] = ()
    """What each exclusion rule did (`exclusions.Exclusion`)."""
    exclusion_source: str = "none"
    without_exclusions: tuple[Estimate, ...] = ()
    """The main estimates over all responses, where rules dropped any."""
    flags: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
    """Flag to method to (flagged, judged) participations."""
    versions: dict[str, str] = field(default_factory=dict)
    comparisons: tuple[tuple[str, str], ...] = ()
    """The pairs (A, B) that were compared, A − B."""
    plan: dict[str, Any] = field(default_factory=dict)
    """What the study fixed beforehand (`plan.Plan`); empty where there is no plan."""
    deviations: tuple[str, ...] = ()
    """Where this analysis departs from what the study fixed beforehand."""
    text_similarity: str = ""
    """What the similarity of own names to labels is, where there are own names."""

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dicts, numbers and texts, unrounded."""
        return asdict(self)

    def find(self, name: str, method: str) -> Estimate:
        """The recommended estimate of that name for that method; KeyError if there is none."""
        for item in self.estimates:
            if item.name == name and item.method == method and item.recommended:
                return item
        raise KeyError(f"{name} of {method}")
