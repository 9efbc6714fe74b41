"""How a table is analysed: what the command asks for, else the study's plan, else the default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.errors import AnalysisError
from analysis.estimates.hypothesis_tests import EQUIVALENCE_BOUND
from analysis.estimates.method_pairs import pairs
from analysis.reading.plan import Plan, departures, read_plan

LEAST_RESAMPLES = 100


RESAMPLES = 10_000


@dataclass(frozen=True)
class Settings:
    """How a table is analysed; None leaves it to the study's plan, else to the default."""

    seed: int | None = None
    """Default 0."""
    resamples: int | None = None
    """Bootstrap resamples, default 10,000."""
    compare: tuple[str, str] | None = None
    """One comparison in place of the plan's, or of all pairs."""
    statuses: tuple[str, ...] | None = None
    """Participation statuses that enter the estimates, default `complete` alone."""
    bound: float | None = None
    """Equivalence bound, steps of the scale, default `EQUIVALENCE_BOUND`."""
    exclusions: Path | None = None
    """Rules in place of the plan's."""
    embeddings: Path | None = None
    """Vectors of the free texts and labels (`similarity`)."""
    embed_command: str | None = None
    """A command that makes them."""

    def __post_init__(self) -> None:
        if self.resamples is not None and self.resamples < LEAST_RESAMPLES:
            few = f"under {LEAST_RESAMPLES}: too few"
            raise AnalysisError(f"--resamples is {self.resamples}, {few}")
        if self.bound is not None and not 0 < self.bound <= 4:
            raise AnalysisError(
                f"--equivalence is {self.bound:g}; it must be above 0 and at most 4"
            )
        if self.seed is not None and self.seed < 0:
            raise AnalysisError(f"--seed is {self.seed}; it must be 0 or more")
        if self.embeddings is not None and self.embed_command is not None:
            raise AnalysisError("--embeddings and --embed-command: give one of them")


@dataclass(frozen=True)
class Procedure:
    """What is done: the settings, where they are silent the plan, where that is the default."""

    plan: Plan
    seed: int
    resamples: int
    compare: tuple[str, str] | None
    statuses: tuple[str, ...]
    bound: float
    departures: tuple[str, ...]

    def pairs(self, methods: list[str]) -> list[tuple[str, str]]:
        """The comparisons: the one asked for, else the plan's in its order, then all others."""
        if self.compare is not None or self.plan.comparisons is None:
            return pairs(methods, self.compare)
        planned = [p for p in self.plan.comparisons if set(p) <= set(methods)]
        told = {frozenset(pair) for pair in planned}
        return planned + [p for p in pairs(methods) if frozenset(p) not in told]


def procedure_of(settings: Settings, study: Mapping[str, Any] | None) -> Procedure:
    """Settings and plan made one, with what departs from the plan."""
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
        seed=_first(settings.seed, plan.seed, 0),
        resamples=_first(settings.resamples, plan.resamples, RESAMPLES),
        compare=settings.compare,
        statuses=_first(settings.statuses, plan.statuses, ("complete",)),
        bound=_first(settings.bound, plan.equivalence_bound, EQUIVALENCE_BOUND),
        departures=tuple(departures(plan, asked)),
    )


def _first(asked: Any, planned: Any, default: Any) -> Any:
    return asked if asked is not None else planned if planned is not None else default
