"""What the foot of every page leads to: another language, and the report of a technical problem."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.views.decorators.http import require_http_methods, require_POST

from studyapp.models import Participation
from studyapp.participation.forms.problems import KINDS, ProblemForm
from studyapp.participation.services import browsers, problems, steps
from studyapp.participation.views import visitor
from studyapp.participation.views.endings import ending
from studyapp.participation.views.pages import study_context
from studyapp.studies.selectors import studies


@login_not_required
@require_POST
def language(request: HttpRequest, slug: str) -> HttpResponse:
    """Continue in another of the study's languages."""
    participation = visitor.participation_of(request, slug)
    if participation is not None:
        steps.choose_language(
            participation=participation, language=request.POST.get("language", "")
        )
    return HttpResponseRedirect(reverse("start", args=[slug]))


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def problem(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask what happened, store it, then say thanks and how to go on."""
    participation = visitor.participation_of(request, slug)
    if participation is None:
        return ending(request, "lost", study=studies.by_link(slug), status=403)
    form = ProblemForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        browser = browsers.described(request.headers.get("User-Agent", ""))
        problems.report(participation=participation, browser=browser, **form.cleaned_data)
        return HttpResponseRedirect(f"{reverse('problem', args=[slug])}?sent=1")
    with translation.override(participation.language):
        return _problem_page(request, participation, form)


def _problem_page(
    request: HttpRequest, participation: Participation, form: ProblemForm
) -> HttpResponse:
    context = study_context(participation.study, participation.language) | {
        "page": "problem",
        "participation": participation,
        "form": form,
        "kinds": KINDS,
        "is_sent": "sent" in request.GET and request.method != "POST",
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "participant/problem.html", context, status=status)
