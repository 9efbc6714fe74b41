"""Results: estimates with their interval, its kind, and the counts behind them; tests."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from analysis.reading.people import Sample
from analysis.reading.study import Study

NOT_ESTIMABLE = "Not estimable"


@dataclass(frozen=True)
class Counts:
    """The numbers of ratings, participants and features that a number is based on."""

    n_ratings: int
    n_participants: int
    n_features: int


@dataclass(frozen=True)
class Estimate:
    """One number with its interval; `value` is None if it cannot be estimated, `reason` says why.

    An estimate can have a value but no interval (with one participant, for example): then `low` and
    `high` are None, and `reason` says why.
    """

    name: str
    """Stable name for programs, such as `share_at_least_4`."""
    label: str
    """Exactly what it is, in words."""
    method: str
    """The method, or for a comparison "A − B"."""
    unit: str
    """`scale` (steps of the 1–5 scale), `share` (0–1), `coefficient` (latent scale) or `none`."""
    value: float | None
    low: float | None
    high: float | None
    interval: str
    """Kind of interval, such as "Student's t on the standard error clustered by participant"."""
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
    """The units that the interval takes as independent, where there is a choice."""
    recommended: bool = True
    """False for the same value with another interval, shown for comparison."""

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
    """Two limits and their kind, or no limits and the reason why."""

    low: float | None
    high: float | None
    kind: str
    reason: str = ""

    @classmethod
    def none(cls, reason: str) -> Interval:
        """No interval, because of `reason`."""
        return cls(None, None, "none", reason)


@dataclass(frozen=True)
class Quantity:
    """What is to be estimated: its name, wording and unit, for which method, from how much data."""

    name: str
    label: str
    unit: str
    method: str
    counts: Counts
    level: float

    def estimated(
        self,
        value: float,
        interval: Interval,
        *,
        count: int | None = None,
        of: int | None = None,
        clustered_by: str = "",
        recommended: bool = True,
    ) -> Estimate:
        """Its `Estimate`, from a value and an interval."""
        return Estimate(
            name=self.name,
            label=self.label,
            method=self.method,
            unit=self.unit,
            value=float(value),
            low=interval.low,
            high=interval.high,
            interval=interval.kind,
            level=self.level,
            **asdict(self.counts),
            count=count,
            of=of,
            reason=interval.reason,
            clustered_by=clustered_by,
            recommended=recommended,
        )

    def not_estimable(self, reason: str) -> Estimate:
        """Its `Estimate` without a value, because of `reason`."""
        none = self.estimated(0.0, Interval.none(reason))
        return replace(none, value=None)


@dataclass(frozen=True, kw_only=True)
class HypothesisTest:
    """One test of one comparison. If it cannot be made, `p` is None and `reason` says why."""

    name: str
    label: str
    method: str
    """The comparison, "A − B"."""
    family: str
    """`confirmatory` (adjusted by Holm), `exploratory` (adjusted by Benjamini and Hochberg) or
    `check` (of a model's assumption; not adjusted)."""
    statistic: float | None = None
    df: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    """None until the tests of all comparisons are adjusted together."""
    n_participants: int
    note: str = ""
    """How the p-value was computed, such as "exact, all 252 rearrangements"."""
    reason: str = ""

    def __post_init__(self) -> None:
        for number in (self.statistic, self.df, self.p, self.p_adjusted):
            if number is not None and not math.isfinite(number):
                raise ValueError(f"{self.name} of {self.method}: {number} is not a finite number")
        if self.p is None and not self.reason:
            raise ValueError(f"{self.name} of {self.method}: no p-value and no reason")


@dataclass(frozen=True)
class Summary:
    """Everything in the report, as data; the content of `summary.json`."""

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
    """The effect of each exclusion rule (`exclusions.Exclusion`)."""
    exclusion_source: str = "none"
    without_exclusions: tuple[Estimate, ...] = ()
    """The recommended estimates over all responses, if rules excluded any."""
    flags: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
    """Flag to method to its (flagged, judged) participations."""
    versions: dict[str, str] = field(default_factory=dict)
    comparisons: tuple[tuple[str, str], ...] = ()
    """The pairs (A, B) that were compared, each as A − B."""
    plan: dict[str, Any] = field(default_factory=dict)
    """The study's plan (`plan.Plan`); empty without one."""
    plan_fixed: str = "unknown"
    """`before` the first answer, `after` it (or never), or `unknown` (`plan.fixed`)."""
    look: dict[str, Any] = field(default_factory=dict)
    """The planned look that the table is at (`looks.Look`), with its `number` and its nominal
    `level` for a single test; empty without planned looks."""
    deviations: tuple[str, ...] = ()
    """Every departure of this analysis from the study's plan."""
    study: Study = field(default_factory=Study)
    """The study's own facts."""
    sample: Sample = field(default_factory=Sample)
    """Who took part; empty without `participants.csv`."""
    text_similarity: str = ""
    """How the similarity of listeners' own names to labels was computed, if there are any."""

    @property
    def confirmatory(self) -> list[HypothesisTest]:
        """The confirmatory tests."""
        return [t for t in self.tests if t.family == "confirmatory"]

    @property
    def recommended(self) -> dict[tuple[str, str], Estimate]:
        """Each recommended estimate by its name and method."""
        return {(e.name, e.method): e for e in self.estimates if e.recommended}

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dicts, numbers and texts, unrounded."""
        return asdict(self)

    def find(self, name: str, method: str) -> Estimate:
        """The recommended estimate of that name for that method; KeyError if there is none."""
        for item in self.estimates:
            if item.name == name and item.method == method and item.recommended:
                return item
        raise KeyError(f"{name} of {method}")
