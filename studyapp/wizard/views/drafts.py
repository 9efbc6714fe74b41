"""The pages of the wizard: one per step, and a review from which a worker makes the study."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from studyapp.core import audit
from studyapp.core.errors import StudyError
from studyapp.core.permissions import editable, projects_of
from studyapp.jobs import selectors as job_selectors
from studyapp.models import Job, Role, Run, StudyDraft
from studyapp.runs import selectors as run_selectors
from studyapp.runs.views.access import run_for
from studyapp.studies.selectors import feature_lists
from studyapp.studies.views.access import study_for
from studyapp.wizard import selectors
from studyapp.wizard.forms import FORMS, StepForm
from studyapp.wizard.services import drafts as services
from studyapp.wizard.services import power
from studyapp.wizard.services.answers import STEPS, answered, participants
from studyapp.wizard.services.price import minutes_of, price_of, prices_of
from studyapp.wizard.views import summary
from studyapp.wizard.views.access import draft_for

FIRST = STEPS[0]


@require_http_methods(["GET", "POST"])
def new_study(request: HttpRequest) -> HttpResponse:
    """The first step of a new study; nothing is kept before it is answered. `?run=` chooses."""
    offered = _offered(request)
    asked = request.GET.get("run", "")
    chosen = [run for run in offered if str(run.pk) == asked] or offered[:1]
    draft = StudyDraft(answers={"runs": [run.pk for run in chosen]})
    return _step(request, draft, FIRST)


@require_POST
def study_of_list(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """A draft of a study of a list's features; it begins with the methods."""
    run = run_for(request, pk, Role.EDITOR)
    row = feature_lists.by_id(run, number)
    if row is None:
        raise Http404(f"There is no list {number} of run {pk}.")
    user = request.user if request.user.is_authenticated else None
    try:
        draft = services.begin_of_list(row=row, created_by=user)
    except StudyError as error:
        messages.error(request, f"{error}.")
        return redirect("feature-list", pk, number)
    return redirect("plan-step", draft.pk, STEPS[1])


@require_http_methods(["GET", "POST"])
def draft_step(request: HttpRequest, pk: int, step: str) -> HttpResponse:
    """A step of a draft, and the answers to it."""
    if step not in FORMS:
        raise Http404(f"There is no step {step}.")
    return _step(request, draft_for(request, pk), step)


def _step(request: HttpRequest, draft: StudyDraft, step: str) -> HttpResponse:
    """Show the step, also while something is being chosen (`?look`), or keep its answers."""
    if request.method == "POST" and "look" not in request.GET:
        form = _form(request, draft, step, request.POST)
        if form.is_valid():
            user = request.user if request.user.is_authenticated else None
            if draft.pk is None:
                draft = services.begin(created_by=user)
            services.answer(draft=draft, step=step, given=form.plain())
            following = "" if "review" in request.POST else _following(step)
            return redirect("plan-step", draft.pk, following) if following else _to_review(draft)
        return _shown(request, draft, step, form, status=422)
    form = _form(request, draft, step, request.POST or None)
    return _shown(request, draft, step, form)


def _form(request: HttpRequest, draft: StudyDraft, step: str, data: Any) -> StepForm:
    answers = answered(draft)
    is_first = step == FIRST
    runs = _offered(request) if is_first else selectors.runs_named(answers["runs"])
    return FORMS[step](data, draft=draft, answers=answers, runs=runs)


def _shown(
    request: HttpRequest, draft: StudyDraft, step: str, form: StepForm, *, status: int = 200
) -> HttpResponse:
    at = STEPS.index(step)
    context = {
        "draft": draft,
        "step": step,
        "form": form,
        "steps": _steps(draft),
        "number": at + 1,
        "before": STEPS[at - 1] if at else "",
        "is_last": _following(step) == "",
    }
    return render(request, "researcher/draft/step.html", context, status=status)


@require_http_methods(["GET", "POST"])
def draft_review(request: HttpRequest, pk: int) -> HttpResponse:
    """All answers on one page; a POST makes the study. For htmx only the part that changes."""
    draft = draft_for(request, pk)
    if request.method == "POST":
        return _make(request, draft)
    job = job_selectors.newest(kind=services.KIND, target=draft.pk)
    moving = job is not None and job.state in Job.UNFINISHED
    if getattr(request, "htmx", False) and not moving and draft.study is not None:
        return HttpResponseClientRedirect(_address_of(draft))
    answers = answered(draft)
    context = {
        "draft": draft,
        "moving": moving,
        "failed": job.error if job is not None and job.state == Job.State.FAILED else "",
        "problem": services.problem(draft, answers),
        "unstated": services.unstated(answers),
        "steps": _steps(draft),
        "summary": [
            (step, FORMS[step].title, facts)
            for step, facts in summary.of(answers, selectors.runs_named(answers["runs"])).items()
        ],
    }
    part = bool(getattr(request, "htmx", False))
    name = "researcher/draft/making.html" if part else "researcher/draft/review.html"
    return render(request, name, context)


def _make(request: HttpRequest, draft: StudyDraft) -> HttpResponse:
    try:
        services.request_study(draft=draft)
        audit.note(user=request.user, action="had made", target=draft, project=draft.project)
    except StudyError as error:
        messages.error(request, f"{error}.")
    return redirect("plan-review", draft.pk)


@require_POST
def draft_power(request: HttpRequest, pk: int) -> HttpResponse:
    """The power of the design on the page, estimated by a worker whenever the numbers change."""
    draft = draft_for(request, pk)
    form = _form(request, draft, "size", request.POST)
    if not form.is_valid():
        context = {"draft": draft, "invalid": [form[name] for name in form.errors]}
        return render(request, "researcher/draft/power.html", context)
    answers = form.answers | form.plain()
    estimate = power.request(draft=draft, answers=answers)
    minutes = minutes_of(answers)
    context = {
        "draft": draft,
        "answers": answers,
        "plan": price_of(participants(answers), answers=answers, minutes=minutes),
        "estimate": estimate,
        "wanted": power.WANTED,
        "needed": prices_of(estimate.needed or {}, answers=answers, minutes=minutes),
    }
    return render(request, "researcher/draft/power.html", context)


@require_POST
def draft_discard(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a draft."""
    draft = draft_for(request, pk)
    services.discard(draft)
    messages.success(request, "The unfinished study was discarded.")
    return redirect("home")


@require_POST
def edit_study(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Back to the steps of a draft; for a frozen study, to those of its next version."""
    study = study_for(request, slug, version, Role.EDITOR)
    user = request.user if request.user.is_authenticated else None
    draft = services.copy_of(study=study, created_by=user)
    return redirect("plan-review", draft.pk)


def _offered(request: HttpRequest) -> list[Run]:
    """The runs from which this user may make a study; 403 if they may make none anywhere."""
    user = request.user
    if not user.is_superuser and not projects_of(user, Role.EDITOR).exists():
        raise PermissionDenied("You are not an editor of any project.")
    return list(selectors.usable(editable(user, run_selectors.finished())))


def _steps(draft: StudyDraft) -> list[tuple[str, str, bool]]:
    """The steps, their titles, and whether they are answered."""
    return [(step, form.title, form.is_answered(draft.answers)) for step, form in FORMS.items()]


def _following(step: str) -> str:
    at = STEPS.index(step) + 1
    return STEPS[at] if at < len(STEPS) else ""


def _to_review(draft: StudyDraft) -> HttpResponse:
    return redirect("plan-review", draft.pk)


def _address_of(draft: StudyDraft) -> str:
    study = draft.study
    if study is None:
        return reverse("plan-review", args=[draft.pk])
    return reverse("study", args=[study.slug, study.version])
