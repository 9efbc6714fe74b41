"""A trial's page and the answer to it: the same for practice and for what counts."""

from __future__ import annotations

from django.core.exceptions import NON_FIELD_ERRORS
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _

from studyapp.core.errors import NotHeardError
from studyapp.models import Participation, Trial
from studyapp.models.steps import Step
from studyapp.participation.forms import AnswerForm
from studyapp.participation.selectors import passages as selectors
from studyapp.participation.services import passage as services
from studyapp.participation.views import trial_page
from studyapp.participation.views.pages import led_on, shown, to_current, wants_json


def show(
    request: HttpRequest, step: Step, participation: Participation, form: AnswerForm | None = None
) -> HttpResponse:
    """The current trial; `form` is an answer that was refused, shown again."""
    passage = selectors.passage(participation)
    if passage.current is None:
        return to_current(participation)
    trial: Trial = services.show_trial(trial=passage.current)
    context = trial_page.context(participation.study, passage, trial, form)
    status = 422 if form else 200
    return shown(request, step, participation, context, template="trial", status=status)


def take(request: HttpRequest, step: Step, participation: Participation) -> HttpResponse:
    """Record the posted answer; one that is not to the current trial leads on, changing nothing."""
    passage = selectors.passage(participation)
    given = passage.of_token(request.POST.get("trial", ""))
    if given is None or given is not passage.current:
        was_answered = given is not None and hasattr(given, "response")
        return led_on(request, participation, saved=was_answered)
    form = AnswerForm(request.POST)
    if not form.is_valid():
        return _refused(request, step, participation, form)
    data = form.cleaned_data
    del data["trial"]
    try:
        services.record_response(trial=given, **data)
    except NotHeardError:
        form.add_error(None, _("Please listen to all three sounds to the end first."))
        return _refused(request, step, participation, form)
    return led_on(request, participation, saved=True)


def _refused(
    request: HttpRequest, step: Step, participation: Participation, form: AnswerForm
) -> HttpResponse:
    """The page again with the reason and all that was typed; JSON for the page's own script."""
    if not wants_json(request):
        return show(request, step, participation, form)
    messages = {
        "form" if name == NON_FIELD_ERRORS else name: [str(error) for error in errors]
        for name, errors in form.errors.items()
    }
    heard = selectors.heard_by_token(
        participation=participation, tokens={request.POST.get("trial", "")}
    )
    return JsonResponse({"saved": False, "errors": messages, "heard": heard}, status=422)
