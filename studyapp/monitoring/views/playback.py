"""A passage played back: each trial's page, with what was played, sought and chosen when."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from studyapp import texts
from studyapp.core import audit
from studyapp.models import Participation
from studyapp.monitoring.selectors import participations as selectors
from studyapp.monitoring.selectors import playback as played
from studyapp.participation.forms.trial import CONFIDENCES
from studyapp.participation.views.trial_page import words_of
from studyapp.studies.services import blinding
from studyapp.studies.views.access import study_for

SPEEDS = (1, 2, 4, 8, 16)


@never_cache
@require_GET
def playback(request: HttpRequest, slug: str, version: int, identifier: str) -> HttpResponse:
    """The pages of the trials as the participant saw them, without labels and answers while blind.

    No method, feature or source of a label is on it even later: the participant did not see them.
    """
    study = study_for(request, slug, version)
    found = selectors.named(study, identifier)
    if found is None or found.status == Participation.Status.WITHDRAWN:
        raise Http404(f"There is no passage {identifier} to play back.")
    audit.note(
        user=request.user, action="played back", target=study, project=study.project,
        participation=found.identifier,
    )  # fmt: skip
    trials = played.played(found)
    with translation.override(found.language):
        confidences = [(value, str(text)) for value, text in CONFIDENCES]
        words = words_of(study)
        words["question"] = words["question"].format(prompt="…")
    context = {
        "study": study,
        "participation": found,
        "trials": trials,
        "data": [one.data() for one in trials],
        "blind": not blinding.may_be_seen(study),
        "confidences": confidences,
        "words": words,
        "speeds": SPEEDS,
        "label_language": study.languages[0],
        "study_title": texts.of_study(study, "title", found.language),
    }
    return render(request, "researcher/playback.html", context)
