"""Personal links for people who are invited to a study."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from studyapp.core import audit
from studyapp.core.errors import StudyError
from studyapp.core.numbers import whole
from studyapp.models import Role
from studyapp.recruitment.services import tokens
from studyapp.studies.views.access import study_for


@require_POST
def entry_links(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """New links with tokens, one per line, as a download: they are shown only this once."""
    study = study_for(request, slug, version, Role.EDITOR)
    try:
        made = tokens.make_tokens(
            study=study,
            kind=request.POST.get("kind", ""),
            count=whole(request.POST.get("count", "")) or 0,
        )
    except StudyError as error:
        messages.error(request, f"{error}.")
        return redirect("study", slug=slug, version=version)
    audit.note(
        user=request.user, action="made links", target=study, project=study.project,
        count=len(made),
    )  # fmt: skip
    link = request.build_absolute_uri(reverse("start", args=[study.slug]))
    text = "".join(f"{link}?t={token}\n" for token in made)
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{study.slug}-links.txt"'
    response["Cache-Control"] = "no-store"
    return response


@require_POST
def revoke_links(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Admit nobody new through links, which are pasted: only hashes of their tokens are stored."""
    study = study_for(request, slug, version, Role.EDITOR)
    try:
        count = tokens.revoke_links(study=study, lines=request.POST.get("links", ""))
        audit.note(
            user=request.user, action="revoked links", target=study, project=study.project,
            count=count,
        )  # fmt: skip
        messages.success(request, f"Links revoked: {count}.")
    except StudyError as error:
        messages.error(request, f"{error}.")
    return redirect("study", slug=slug, version=version)
