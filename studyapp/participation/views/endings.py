"""The pages on which a participation ends or cannot begin: one template, one text each."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from studyapp import texts
from studyapp.models import Participation, Study
from studyapp.participation.views import visitor
from studyapp.recruitment.services import entry

TEXTS = {
    "unknown": (
        _("There is no study at this address"),
        _("Please check the link that you were given: part of it may be missing."),
    ),
    "frozen": (
        _("This study has not started yet"),
        _("Please open the same link again later."),
    ),
    "paused": (
        _("This study is paused"),
        _("It is not accepting new participants right now. Please open the same link again later."),
    ),
    "closed": (
        _("This study has ended"),
        _("It is no longer accepting answers. Thank you for your interest."),
    ),
    "closed_midway": (
        _("This study has ended"),
        _(
            "It ended while you were taking part and is no longer accepting answers. The answers "
            "that were saved are kept. Thank you for them. If you were promised a payment, please "
            "write to the researchers."
        ),
    ),
    "full": (
        _("This study is full"),
        _("All places are currently taken. One may become free, so you can try again later."),
    ),
    "crowded": (
        _("Too many people have started from your network today"),
        _(
            "This study accepts only a limited number of people per day from one network. "
            "Please try again tomorrow or from another network, or write to the researchers, "
            "who can change this."
        ),
    ),
    "uninvited": (
        _("This study is by invitation"),
        _(
            "Please open the complete link that you were given. A personal link cannot be "
            "used by anyone else."
        ),
    ),
    "broken_link": (
        _("This link is incomplete"),
        _(
            "It should identify you, but that part was not filled in. Please go back to where you "
            "were invited and open the study from there. Nothing was recorded."
        ),
    ),
    "unknown_submission": (
        _("We cannot find your submission"),
        _(
            "The recruiting service has no record of it. Please open the study from the service's "
            "own page. Nothing was recorded."
        ),
    ),
    "taken_part": (
        _("You have already started this study"),
        _(
            "Each person can take part once. To continue where you stopped, use the browser and "
            "the link that you started with."
        ),
    ),
    "took_part_before": (
        _("You have taken part in an earlier study"),
        _(
            "People who took part in it cannot begin this one. Thank you for your interest. "
            "Nothing was recorded."
        ),
    ),
    "lost": (
        _("We cannot find your place"),
        _(
            "Please open your link again, in the same browser and with cookies allowed: this page "
            "needs them to know where you were. Your saved answers are safe."
        ),
    ),
    "refused": (
        _("You chose not to take part"),
        _("Nothing more is recorded. Thank you for reading; you can close this page."),
    ),
    "screened_out": (
        _("You are not eligible for this study"),
        _("Thank you for your time; you can close this page."),
    ),
    "screened_out_device": (
        _("This browser cannot play the sounds"),
        _("Thank you for trying; you can close this page."),
    ),
    "screened_out_headphones": (
        _("This study needs headphones"),
        _(
            "Your answers suggest that you are not wearing headphones. That says nothing "
            "about your hearing. Thank you for your time; you can close this page."
        ),
    ),
    "returned": (
        _("You have left this study"),
        _("Thank you for your time; you can close this page."),
    ),
    "place_lost": (
        _("Your place was given to someone else"),
        _(
            "It was held for a while, and all other places are taken right now too. The "
            "answers that were saved are kept. A place may become free: open the same link "
            "again later to continue where you stopped."
        ),
    ),
    "timed_out": (
        _("Your time has run out"),
        _("The answers that were saved are kept. Thank you; you can close this page."),
    ),
    "withdrawn": (
        _("You have withdrawn"),
        _("Your answers were erased. Thank you; you can close this page."),
    ),
}
"""Kind of ending → heading and text."""
RETURN = _(
    "You came through Prolific: please return your submission there now, with “Cancel "
    "participation”. You do not need a code."
)
ASK_FOR_PAYMENT = _(
    "You came through Prolific: please write to the researchers there, who can see how far you "
    "came and decide on a payment for the time you spent. You do not need a code."
)
AT_PROLIFIC = {
    "full": RETURN,
    "paused": RETURN,
    "frozen": RETURN,
    "closed": RETURN,
    "crowded": RETURN,
    "took_part_before": RETURN,
    "closed_midway": ASK_FOR_PAYMENT,
    "timed_out": ASK_FOR_PAYMENT,
    "place_lost": _(
        "You came through Prolific: if you do not want to wait, please return your submission "
        "there. You do not need a code."
    ),
}
"""Kind of ending without a code → what someone who came through Prolific can do next."""
CODES = {
    "full": "full",
    "closed": "closed",
    "closed_midway": "closed",
    "timed_out": "timed_out",
}
"""Kind of ending → the study's code for it, if it has one; a participation's own code is stored."""
LEAVE_SECONDS = 15
"""After how long people are taken back to their recruiting service."""
READING_SECONDS = 60
"""The same where there is a text to read."""


def ending(
    request: HttpRequest,
    kind: str,
    *,
    study: Study | None = None,
    participation: Participation | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page for an ending; `kind` is a key of `TEXTS`. It shows the participation's code."""
    heading, text = TEXTS[_kind(kind, participation)]
    context: dict[str, Any] = {"page": kind, "study": study, "heading": heading, "text": text}
    language = translation.get_language() or settings.LANGUAGE_CODE
    if study is not None:
        language = participation.language if participation else visitor.language_of(request, study)
        context["study_title"] = texts.of_study(study, "title", language)
    if participation is not None:
        context["participation"] = participation  # the footer links to the withdrawal
        context |= {"code": participation.ending_code, **leaving(request, participation)}
    if study is not None and _is_from_service(request, study, participation):
        context |= _at_service(request, kind, study)
    with translation.override(language):
        return render(request, "participant/ending.html", context, status=status)


def _at_service(request: HttpRequest, kind: str, study: Study) -> dict[str, Any]:
    """The code and the way back of an ending that is no participation's own, or else advice."""
    ending = CODES.get(kind, "")
    code = study.codes.get(ending, "")
    way_back = ending and entry.way_back_with(
        study=study, code=code, ending=ending, origin=visitor.origin_of(request, study)
    )
    if way_back:
        return {"code": code, "way_back": way_back, **_named(study, LEAVE_SECONDS)}
    if kind in AT_PROLIFIC and (submissions := entry.submissions_page(study)):
        return {"advice": AT_PROLIFIC[kind], "submissions": submissions}
    return {}


def _named(study: Study, seconds: int) -> dict[str, Any]:
    return {"service_name": entry.service_name(study), "leave_seconds": seconds}


def _is_from_service(
    request: HttpRequest, study: Study, participation: Participation | None
) -> bool:
    """Whether a recruiting service sent the visitor, who may not have a participation yet."""
    if participation is not None:
        return entry.came_by_service(participation)
    return bool(request.GET.get(entry.parameters_of(study).person))


def _kind(kind: str, participation: Participation | None) -> str:
    """The key of the text: people who were screened out read why."""
    reason = participation.screened_for if participation else ""
    return f"{kind}_{reason}" if f"{kind}_{reason}" in TEXTS else kind


def leaving(
    request: HttpRequest, participation: Participation, *, seconds: int = LEAVE_SECONDS
) -> dict[str, Any]:
    """Where an ending leads: back to the recruiting service, or to the next participant's turn."""
    study = participation.study
    leads: dict[str, Any] = {"is_kiosk": visitor.kiosk_token(request, study.slug) is not None}
    if entry.came_by_service(participation):
        origin = visitor.origin_of(request, study)
        leads |= _named(study, seconds)
        leads["way_back"] = entry.way_back(participation=participation, origin=origin)
    return leads
