"""What a project's runs may spend on remote services: one budget for all of them together.

A run's spending is read from its ledger, so that what was paid stays counted whatever becomes of
the run. One run of a project asks at a time: two would each find the same money left.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from studyapp.models import Project, Run, StageRecord
from studyapp.services import run_policy

REMOTE_METHODS = frozenset({"gemini"})
"""Labelers that wait for somebody else's computer: their stage takes no turn of ours."""


def is_remote(method: str) -> bool:
    """Whether a labeling method (`METHOD` or `METHOD@MODEL`) asks a paid remote service."""
    return method.partition("@")[0] in REMOTE_METHODS


def is_paid(config: Mapping[str, Any]) -> bool:
    """Whether a run under this config asks a paid service."""
    sections = (config.get("labels", {}), config.get("ensemble", {}))
    return any(is_remote(one) for section in sections for one in section.get("methods") or ())


def left(project: Project) -> float:
    """Dollars that the project's runs may still spend."""
    runs = [run for run in Run.objects.filter(project=project) if is_paid(run.config)]
    return max(0.0, float(settings.GEMINI_BUDGET) - sum(map(spent, runs)))


def spent(run: Run) -> float:
    """Dollars that a run has spent, as its ledger counts them."""
    from pipeline.artifacts import RunDirectory
    from pipeline.config import GeminiConfig
    from pipeline.gemini.costs import paid
    from pipeline.labelers.gemini import LEDGER

    config = run_policy.imposed(run.config) if run_policy.is_guarded(run) else run.config
    given = config.get("gemini", {})
    prices = {name: given[name] for name in given if name.startswith("dollars_per_")}
    asked = GeminiConfig(**prices, batch=bool(given.get("batch", False)))
    entries = RunDirectory(settings.DATA / run.directory).ledger(LEDGER).entries()
    return sum(paid(asked, one["reply"]) for one in entries if one.get("event") == "answered")


def budget_of(run: Run, *, given: float | None) -> float:
    """Dollars that a run of a project may have spent in all; `given` is its config's own limit.

    The run's own spending is part of the project's, and counts against the run's budget as well.
    """
    if run.project is None:
        return given if given is not None else float(settings.GEMINI_BUDGET)
    most = left(run.project) + spent(run)
    return most if given is None else min(given, most)


def asking(run: Run) -> Run | None:
    """Another run of the same project that is asking a paid service just now."""
    others = Run.objects.filter(
        project=run.project_id,
        state=Run.State.RUNNING,
        stages__stage="labels",
        stages__state=StageRecord.State.RUNNING,
    ).exclude(pk=run.pk)
    return next((one for one in others if is_paid(one.config)), None)
