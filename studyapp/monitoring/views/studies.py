"""A study while it runs: its page, its participations, one of them in full, the unblinding."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from studyapp.core import audit
from studyapp.core.errors import StudyError
from studyapp.core.numbers import whole
from studyapp.core.permissions import may
from studyapp.models import EntryToken, Role, Study
from studyapp.models.steps import Step
from studyapp.monitoring import selectors, services
from studyapp.recruitment import selectors as recruitment_selectors
from studyapp.recruitment.services import entry
from studyapp.studies.services import blinding
from studyapp.studies.views.access import study_for
from studyapp.wizard.services import drafts


@require_GET
def study_page(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """One version of a study: its state, who takes part; for htmx the moving part alone."""
    study = study_for(request, slug, version)
    context = {"study": study, "monitor": services.monitor(study)}
    if getattr(request, "htmx", False):
        return render(request, "researcher/study_progress.html", context)
    recruitment_row = recruitment_selectors.of_study(study)
    context |= {
        "link": request.build_absolute_uri(reverse("start", args=[study.slug])),
        "recruitment": recruitment_row,
        "steps": [*study.steps, Step.THANKS.value],
        "kinds": EntryToken.Kind.choices,
        "can_edit": may(request.user, study.project, Role.EDITOR),
        "is_behind": drafts.is_behind(study),
        "can_be_unblinded": study.state in (Study.State.FROZEN, *services.MOVING)
        and study.unblinded_at is None,
    }
    return render(request, "researcher/study.html", context)


@require_GET
def study_flags(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """How often each flag stands; a part of the study's page that comes after it."""
    study = study_for(request, slug, version)
    context = {"study": study, "flags": services.flags(study), "most": services.FLAGGED}
    return render(request, "researcher/study_flags.html", context)


@require_GET
def participations(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """The participations, the newest first, a page at a time."""
    study = study_for(request, slug, version)
    number = whole(request.GET.get("before", ""))
    lines, following = selectors.listed(study, before=number)
    context = {"study": study, "lines": lines, "following": following, "is_first": number is None}
    return render(request, "researcher/participations.html", context)


@require_GET
def participation(request: HttpRequest, slug: str, version: int, identifier: str) -> HttpResponse:
    """One passage step by step, from its rows and events; blind as long as the study is."""
    study = study_for(request, slug, version)
    found = selectors.named(study, identifier)
    if found is None:
        raise Http404(f"There is no participation {identifier}.")
    context = {
        "study": study,
        "participation": found,
        "moments": selectors.moments(found),
        "trials": selectors.shown_trials(found),
        "blind": not blinding.may_be_seen(study),
    }
    return render(request, "researcher/participation.html", context)


@require_POST
def unblind(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Ask to see answers by method before the closing."""
    study = study_for(request, slug, version, Role.EDITOR)
    try:
        if request.user.is_authenticated:
            reason = request.POST.get("reason", "")
            blinding.unblind(study=study, user=request.user, reason=reason)
        messages.success(request, f"{study} is unblinded.")
    except StudyError as error:
        messages.error(request, f"{error}.")
    return redirect("study", slug=slug, version=version)


@require_POST
def entry_links(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """New links with tokens, one a line, as a download: they are shown this once."""
    study = study_for(request, slug, version, Role.EDITOR)
    try:
        tokens = entry.make_tokens(
            study=study,
            kind=request.POST.get("kind", ""),
            count=whole(request.POST.get("count", "")) or 0,
        )
    except StudyError as error:
        messages.error(request, f"{error}.")
        return redirect("study", slug=slug, version=version)
    audit.note(
        user=request.user, action="made links", target=study, project=study.project,
        count=len(tokens),
    )  # fmt: skip
    link = request.build_absolute_uri(reverse("start", args=[study.slug]))
    text = "".join(f"{link}?t={token}\n" for token in tokens)
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{study.slug}-links.txt"'
    response["Cache-Control"] = "no-store"
    return response
