"""The participations of a study: the list, and one of them in full."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from studyapp.core.errors import StudyError
from studyapp.core.numbers import whole
from studyapp.core.permissions import may
from studyapp.models import Role
from studyapp.monitoring.selectors import participations as selectors
from studyapp.monitoring.selectors import timeline
from studyapp.participation.services.withdrawal import WITHDRAWABLE, withdraw_on_request
from studyapp.studies.services import blinding
from studyapp.studies.views.access import study_for


@require_GET
def participations(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """The participations, newest first, one page at a time."""
    study = study_for(request, slug, version)
    number = whole(request.GET.get("before", ""))
    lines, following = selectors.listed(study, before=number)
    context = {"study": study, "lines": lines, "following": following, "is_first": number is None}
    return render(request, "researcher/participations.html", context)


@require_GET
def problems(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Technical problems that participants reported, newest first."""
    study = study_for(request, slug, version)
    context = {"study": study, "reports": selectors.problems(study)}
    return render(request, "researcher/problems.html", context)


@require_GET
def participation(request: HttpRequest, slug: str, version: int, identifier: str) -> HttpResponse:
    """One participation step by step, from its rows and events; blinded as long as the study is."""
    study = study_for(request, slug, version)
    found = selectors.named(study, identifier)
    if found is None:
        raise Http404(f"There is no participation {identifier}.")
    context = {
        "study": study,
        "participation": found,
        "moments": timeline.moments(found),
        "trials": timeline.shown_trials(found),
        "blind": not blinding.may_be_seen(study),
        "can_withdraw": found.status in WITHDRAWABLE
        and may(request.user, study.project, Role.EDITOR),
    }
    return render(request, "researcher/participation.html", context)


@require_POST
def withdraw_participation(
    request: HttpRequest, slug: str, version: int, identifier: str
) -> HttpResponse:
    """Erase what someone gave who asked for it, for example by e-mail."""
    study = study_for(request, slug, version, Role.EDITOR)
    found = selectors.named(study, identifier)
    if found is None:
        raise Http404(f"There is no participation {identifier}.")
    try:
        reason = request.POST.get("reason", "")
        withdraw_on_request(participation=found, reason=reason, user=request.user)
    except StudyError as error:
        messages.error(request, f"{error}.")
    else:
        messages.success(request, f"{found} is withdrawn and its answers are erased.")
    return redirect("participation", slug, version, identifier)
