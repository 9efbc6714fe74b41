"""What can be changed while a study runs: who is ended, conditions, places, the time zone."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from studyapp.core import audit
from studyapp.core.errors import StudyError
from studyapp.core.numbers import whole
from studyapp.core.permissions import may
from studyapp.models import Role, Study
from studyapp.monitoring.services import deviations
from studyapp.participation.services import abandonment
from studyapp.studies.services import frames, series
from studyapp.studies.views.access import study_for


@require_GET
def operation(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """The page with these changes, and those that were made."""
    study = study_for(request, slug, version)
    context = {
        "study": study,
        "can_edit": may(request.user, study.project, Role.EDITOR),
        "under_way": study.state in Study.UNDER_WAY,
        "between": study.design == Study.Design.BETWEEN,
        "abandoned": abandonment.abandoned(study).count(),
        "conditions": study.conditions.order_by("method"),
        "places": frames.places(study),
        "deviations": study.deviations.select_related("condition"),
        "zones": sorted(zoneinfo.available_timezones()),
    }
    return render(request, "researcher/operation.html", context)


@require_POST
def end_abandoned(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """End the participations whose participants went away."""
    study = study_for(request, slug, version, Role.EDITOR)

    def change() -> str:
        count = abandonment.end_all(study=study, user=request.user)
        return f"Abandoned participations ended: {count}."

    return _changed(request, study, change)


@require_POST
def switch_condition(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Switch a condition off, or on again."""
    study = study_for(request, slug, version, Role.EDITOR)
    turn = deviations.switch_on if request.POST.get("to") == "on" else deviations.switch_off

    def change() -> str:
        made = turn(
            study=study, method=request.POST.get("condition", ""),
            reason=request.POST.get("reason", ""), user=request.user,
        )  # fmt: skip
        return f"Recorded: {made.get_kind_display()} ({made.condition.method})."  # type: ignore[union-attr]

    return _changed(request, study, change)


@require_POST
def add_places(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Add places."""
    study = study_for(request, slug, version, Role.EDITOR)

    def change() -> str:
        deviations.add_places(
            study=study, count=whole(request.POST.get("count", "")) or 0,
            reason=request.POST.get("reason", ""), user=request.user,
        )  # fmt: skip
        study.refresh_from_db()
        return f"Places were added: the study has {frames.places(study)} now."

    return _changed(request, study, change)


@require_POST
def time_zone(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show the study's times in another time zone."""
    study = study_for(request, slug, version, Role.EDITOR)
    name = request.POST.get("time_zone", "").strip()

    def change() -> str:
        series.set_time_zone(study.series, name)
        audit.note(
            user=request.user, action="set time zone", target=study, project=study.project,
            time_zone=name,
        )  # fmt: skip
        return f"Times are in {name} now."

    return _changed(request, study, change)


def _changed(request: HttpRequest, study: Study, change: Callable[[], str]) -> HttpResponse:
    """Make a change, say what came of it, and show the page again."""
    try:
        messages.success(request, change())
    except StudyError as error:
        messages.error(request, f"{error}.")
    return redirect("operation", study.slug, study.version)
