"""The trial page and the answer to it: the same for practice and for the study's own trials."""

from __future__ import annotations

from functools import partial

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _

from studyapp.core.errors import NotHeardError
from studyapp.models import Participation
from studyapp.models.steps import Step
from studyapp.participation.forms.events import parse_events
from studyapp.participation.forms.trial import AnswerForm
from studyapp.participation.selectors import trials as selectors
from studyapp.participation.services import answers
from studyapp.participation.services import events as services
from studyapp.participation.services.events import EventData
from studyapp.participation.views import trial_page
from studyapp.participation.views.pages import (
    page,
    redirect_to_current_step,
    redirect_to_step_page,
    render_step,
    wants_json,
)


@page(Step.TRIAL)
def trial(request: HttpRequest, participation: Participation) -> HttpResponse:
    """The current trial, and the answer to it."""
    if request.method == "POST":
        return take_answer(request, Step.TRIAL, participation)
    return show_trial(request, Step.TRIAL, participation)


def show_trial(
    request: HttpRequest, step: Step, participation: Participation, form: AnswerForm | None = None
) -> HttpResponse:
    """The current trial; `form` is a rejected answer, shown again."""
    progress = selectors.progress_of(participation)
    if progress.current is None:
        return redirect_to_step_page(participation)
    is_new = progress.current.shown_at is None
    current = answers.show_trial(trial=progress.current)
    context = trial_page.context(participation.study, progress, current, form, is_new=is_new)
    status = 422 if form else 200
    return render_step(request, step, participation, context, template="trial", status=status)


def take_answer(request: HttpRequest, step: Step, participation: Participation) -> HttpResponse:
    """Record the posted answer, and before it the events that the page's script sends along.

    If it is not to the current trial, redirect and change no answer.
    """
    events, sequences = _events_of(request)
    go_on = partial(redirect_to_current_step, request, participation, events=sequences)
    progress = selectors.progress_of(participation)
    given = progress.with_token(request.POST.get("trial", ""))
    if given is None or given is not progress.current:
        services.record_events(participation=participation, events=events)
        return go_on(saved=given is not None and hasattr(given, "response"))
    # Asked now: once it is recorded, the next trial is the current one.
    next_step = step if step == Step.TRIAL and progress.following is not None else None
    form = AnswerForm(participation.study, request.POST)
    if not form.is_valid():
        services.record_events(participation=participation, events=events)
        return _rejected(request, step, participation, form, sequences)
    data = form.cleaned_data
    del data["trial"]
    try:
        answers.record_response(trial=given, events=events, **data)
    except NotHeardError:
        if given.shown_at is None:
            # Lost with the power or the database, as were its events: the page begins again.
            return go_on(saved=False)
        form.add_error(None, _(participation.study.kind.words.listen_first))
        return _rejected(request, step, participation, form, sequences)
    return go_on(saved=True, step=next_step)


def _events_of(request: HttpRequest) -> tuple[list[EventData], list[str]]:
    """The events sent along with an answer, and the sequences that the page then forgets.

    What is not a list of events costs no answer: it counts as nothing heard.
    """
    given = request.POST.get("events", "")
    try:
        found, broken = parse_events(given.encode()) if given else ([], [])
    except ValidationError:
        return [], []
    return found, [*(event.sequence for event in found), *broken]


def _rejected(
    request: HttpRequest,
    step: Step,
    participation: Participation,
    form: AnswerForm,
    sequences: list[str],
) -> HttpResponse:
    """The page again with the reason and everything typed; JSON for the page's own script."""
    if not wants_json(request):
        return show_trial(request, step, participation, form)
    messages = {
        "form" if name == NON_FIELD_ERRORS else name: [str(error) for error in errors]
        for name, errors in form.errors.items()
    }
    heard = selectors.heard_by_token(
        participation=participation, tokens={request.POST.get("trial", "")}
    )
    told = {"saved": False, "errors": messages, "heard": heard, "events": sequences}
    return JsonResponse(told, status=422)
