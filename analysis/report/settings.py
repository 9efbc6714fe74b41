"""How a table is analysed: as the command asks, else as the study's plan says, else by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from analysis.errors import AnalysisError, quote
from analysis.estimates.hypothesis_tests import EQUIVALENCE_BOUND
from analysis.estimates.method_pairs import pairs
from analysis.reading.columns import DEFAULT_STATUSES, WIDEST
from analysis.reading.looks import Look, look_at, planned_participants, unplanned
from analysis.reading.moderators import MODERATORS
from analysis.reading.plan import LEAST_RESAMPLES, Plan, departures, read_plan

SEED = 0
RESAMPLES = 10_000


@dataclass(frozen=True)
class Settings:
    """How a table is analysed; None: as the study's plan says, else the default."""

    seed: int | None = None
    """Default `SEED`."""
    resamples: int | None = None
    """Bootstrap resamples, default `RESAMPLES`."""
    compare: tuple[str, str] | None = None
    """One comparison in place of the plan's, or of all pairs."""
    statuses: tuple[str, ...] | None = None
    """Participation statuses that enter the estimates, default `DEFAULT_STATUSES`."""
    bound: float | None = None
    """Equivalence bound, steps of the scale, default `EQUIVALENCE_BOUND`."""
    exclusions: Path | None = None
    """Rules in place of the plan's."""
    embeddings: Path | None = None
    """Vectors of the free texts and labels (`similarity`)."""
    embed_command: str | None = None
    """A command that makes these vectors."""
    feature_pages: Mapping[str, str] = field(default_factory=dict)
    """Run to the address with which its features' pages begin; the report links them."""
    moderators: tuple[str, ...] = ()
    """Names of `reading.moderators`, each with an exploratory model."""
    mapping: Path | None = None
    """What the columns of another platform's table mean (`reading.mapping`)."""

    def __post_init__(self) -> None:
        if self.resamples is not None and self.resamples < LEAST_RESAMPLES:
            raise AnalysisError(
                f"--resamples is {self.resamples}, under {LEAST_RESAMPLES}: too few"
            )
        if self.bound is not None and not 0 < self.bound <= WIDEST:
            raise AnalysisError(
                f"--equivalence is {self.bound:g}; it must be above 0 and at most {WIDEST}"
            )
        for name in self.moderators:
            if name not in MODERATORS:
                known = ", ".join(MODERATORS)
                raise AnalysisError(f"--moderators: {quote(name)} is none of {known}")
        if self.seed is not None and self.seed < 0:
            raise AnalysisError(f"--seed is {self.seed}; it must be 0 or more")
        if self.embeddings is not None and self.embed_command is not None:
            raise AnalysisError("--embeddings and --embed-command: give only one of them")


@dataclass(frozen=True)
class Procedure:
    """What is done: each value from the settings, else from the plan, else the default."""

    plan: Plan
    seed: int
    resamples: int
    compare: tuple[str, str] | None
    statuses: tuple[str, ...]
    bound: float
    departures: tuple[str, ...]
    folder: Path
    """Where the table's companions lie."""
    moderators: tuple[str, ...] = ()
    fixed: str = "unknown"
    """When the plan was fixed (`plan.fixed`)."""
    look: Look | None = None
    """The planned look that the table is at."""
    unplanned: str = ""
    """Why nothing is confirmatory at this number of participants (`looks.unplanned`)."""

    @property
    def family(self) -> Plan:
        """The plan whose family of confirmatory tests counts.

        None of a plan that was fixed late, and none at all at a look that was not planned.
        """
        plan = self.plan.without_family if self.fixed == "after" else self.plan
        return plan.exploratory if self.unplanned else plan

    def after(self, counted: int, study: Mapping[str, Any] | None) -> Procedure:
        """The same at a table with so many participants; looks of a late plan do not count."""
        looks = None if self.fixed == "after" else self.plan.looks
        planned = planned_participants(study, looks)
        return replace(
            self,
            look=look_at(looks, planned, counted),
            unplanned=unplanned(study, looks, planned, counted),
        )

    def pairs(self, methods: list[str]) -> list[tuple[str, str]]:
        """The comparisons: the one asked for, else the plan's in their order, then all others."""
        if self.compare is not None or self.plan.comparisons is None:
            return pairs(methods, self.compare)
        planned = [p for p in self.plan.comparisons if set(p) <= set(methods)]
        told = {frozenset(pair) for pair in planned}
        return planned + [p for p in pairs(methods) if frozenset(p) not in told]


def procedure_of(settings: Settings, study: Mapping[str, Any] | None, folder: Path) -> Procedure:
    """Settings and plan combined, with every departure from the plan."""
    plan = read_plan(study)
    asked = {
        "comparisons": None if settings.compare is None else (settings.compare,),
        "equivalence_bound": settings.bound,
        "statuses": settings.statuses,
        "resamples": settings.resamples,
        "seed": settings.seed,
    }
    return Procedure(
        plan=plan,
        seed=_first(settings.seed, plan.seed, SEED),
        resamples=_first(settings.resamples, plan.resamples, RESAMPLES),
        compare=settings.compare,
        statuses=_first(settings.statuses, plan.statuses, DEFAULT_STATUSES),
        bound=_first(settings.bound, plan.equivalence_bound, EQUIVALENCE_BOUND),
        departures=tuple(departures(plan, asked)),
        folder=folder,
        moderators=tuple(dict.fromkeys(settings.moderators)),
    )


def _first(asked: Any, planned: Any, default: Any) -> Any:
    return asked if asked is not None else planned if planned is not None else default
