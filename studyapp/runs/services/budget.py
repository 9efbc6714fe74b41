"""The budget for remote services, which all runs of a project share.

A run's spending is read from its ledgers, so payments still count when a run fails or is stopped.
Only one run of a project may use paid services at a time: two would each be given the same
remainder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from studyapp.models import Run, StageRecord
from studyapp.runs.services.folders import run_directory


def is_remote(method: str) -> bool:
    """Whether a labeling method (`METHOD` or `METHOD@MODEL`) uses a paid remote service; its stage
    goes to the queue `api`."""
    from pipeline.config import PAID_METHODS

    return method.partition("@")[0] in PAID_METHODS


def is_paid(config: Mapping[str, Any]) -> bool:
    """Whether a run with this config uses a paid service."""
    sections = (config.get("labels", {}), config.get("ensemble", {}))
    return any(is_remote(one) for section in sections for one in section.get("methods") or ())


def ceiling(run: Run) -> float:
    """Return the dollars that a run may spend in total, including what it has already spent."""
    others = Run.objects.filter(project=run.project_id).exclude(pk=run.pk)
    # Imported runs were paid for elsewhere.
    paid = [one for one in others.exclude(origin__in=Run.ELSEWHERE) if is_paid(one.config)]
    return max(0.0, float(settings.GEMINI_BUDGET) - sum(map(spent, paid)))


def spent(run: Run) -> float:
    """Return the dollars in a run's ledgers; 0 for a run that has not started."""
    from pipeline.labelers.remote import accounts

    directory = run_directory(run)
    return accounts.spent(directory) if directory.begun else 0.0


def run_in_progress(run: Run) -> Run | None:
    """Return another run of the same project that is using a paid service now."""
    others = Run.objects.filter(
        project=run.project_id,
        state=Run.State.RUNNING,
        stages__stage="labels",
        stages__state=StageRecord.State.RUNNING,
    ).exclude(pk=run.pk)
    return next((one for one in others if is_paid(one.config)), None)
