"""A study's page, its flags, and unblinding."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from studyapp.core.errors import StudyError
from studyapp.core.permissions import may
from studyapp.models import EntryToken, Role, Study
from studyapp.models.steps import Step
from studyapp.monitoring.services import flags as flag_services
from studyapp.monitoring.services import overview
from studyapp.recruitment import selectors as recruitment_selectors
from studyapp.recruitment.services.entry import PROLIFIC_PLACEHOLDERS
from studyapp.studies import listening
from studyapp.studies.services import blinding, consent_facts
from studyapp.studies.views.access import study_for
from studyapp.wizard.services import drafts


@require_GET
def study_page(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """One version of a study, its state and its figures; for htmx only the part that changes."""
    study = study_for(request, slug, version)
    monitor = overview.monitor(study)
    context: dict[str, Any] = {"study": study, "monitor": monitor}
    if getattr(request, "htmx", False):
        return render(request, "researcher/study_progress.html", context | {"is_update": True})
    recruitment_row = recruitment_selectors.of_study(study)
    link = request.build_absolute_uri(reverse("start", args=[study.slug]))
    context |= {
        "link": link,
        "prolific_link": link + PROLIFIC_PLACEHOLDERS,
        "shows_methods": blinding.items_may_be_seen(study),
        "recruitment": recruitment_row,
        "listening": listening.in_words(
            hear_before_choosing=study.hear_before_choosing,
            most_plays=study.most_plays,
            from_start=study.from_start,
        ),
        "has_tokens": recruitment_selectors.has_tokens(study),
        "steps": [*study.steps, Step.THANKS.value],
        "kinds": EntryToken.Kind.choices,
        "can_edit": may(request.user, study.project, Role.EDITOR),
        "can_delete": may(request.user, study.project, Role.EDITOR)
        and not monitor.states
        and study.state != Study.State.OPEN,
        "is_behind": drafts.is_behind(study),
        "unstated": consent_facts.missing_of(study) if study.state == Study.State.DRAFT else [],
        "can_be_unblinded": study.state in (Study.State.FROZEN, *Study.UNDER_WAY)
        and study.unblinded_at is None,
    }
    return render(request, "researcher/study.html", context)


@require_GET
def study_flags(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """How often each flag was raised; the study's page loads this part once it is shown."""
    study = study_for(request, slug, version)
    context = {"study": study, "flags": flag_services.flags(study), "newest": flag_services.NEWEST}
    return render(request, "researcher/study_flags.html", context)


@require_POST
def unblind(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show answers by method before the study is closed."""
    study = study_for(request, slug, version, Role.EDITOR)
    try:
        if request.user.is_authenticated:
            reason = request.POST.get("reason", "")
            blinding.unblind(study=study, user=request.user, reason=reason)
        messages.success(request, f"{study} has been unblinded.")
    except StudyError as error:
        messages.error(request, f"{error}.")
    return redirect("study", slug=slug, version=version)
