"""What a project's runs may spend on remote services: one budget for all of them together.

A run's spending is read from its ledger, so that what was paid stays counted whatever becomes of
the run. One run of a project asks at a time: two would each find the same money left.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from studyapp.models import Run, StageRecord

REMOTE_METHODS = frozenset({"gemini"})
"""Labelers that wait for somebody else's computer: their stage takes no turn of ours."""


def is_remote(method: str) -> bool:
    """Whether a labeling method (`METHOD` or `METHOD@MODEL`) asks a paid remote service."""
    return method.partition("@")[0] in REMOTE_METHODS


def is_paid(config: Mapping[str, Any]) -> bool:
    """Whether a run under this config asks a paid service."""
    sections = (config.get("labels", {}), config.get("ensemble", {}))
    return any(is_remote(one) for section in sections for one in section.get("methods") or ())


def ceiling(run: Run) -> float:
    """Dollars that a run of a project may have spent in all, what it has spent already included."""
    others = Run.objects.filter(project=run.project_id).exclude(pk=run.pk)
    # An import was paid for elsewhere.
    paid = [one for one in others.exclude(origin=Run.Origin.IMPORT) if is_paid(one.config)]
    return max(0.0, float(settings.GEMINI_BUDGET) - sum(map(spent, paid)))


def spent(run: Run) -> float:
    """Dollars that a run has spent, as its ledger counts them; 0 for one that has not begun."""
    from pipeline.labelers.gemini import costs
    from pipeline.store.run_directory import RunDirectory

    directory = settings.DATA / run.directory
    return costs.spent(directory) if RunDirectory(directory).begun else 0.0


def asking(run: Run) -> Run | None:
    """Another run of the same project that is asking a paid service just now."""
    others = Run.objects.filter(
        project=run.project_id,
        state=Run.State.RUNNING,
        stages__stage="labels",
        stages__state=StageRecord.State.RUNNING,
    ).exclude(pk=run.pk)
    return next((one for one in others if is_paid(one.config)), None)
