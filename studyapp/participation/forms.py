"""What comes in by HTTP, checked: the answer to a trial, and events."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from studyapp.models import Event
from studyapp.participation.services.events import EventData
from studyapp.studies.questionnaire import Question
from studyapp.studies.services.sounds import TONE_COUNTS

MAX_EVENTS = 200
"""Events in one call."""
MAX_EVENT_BYTES = 65_536
MAX_MILLISECONDS = 2**40
"""Thirty-four years: what is above is no time of a page."""
OF_A_CLIP = frozenset({"play", "pause", "seek", "heard", "ended"})
SEQUENCE = re.compile(r"[A-Za-z0-9_-]{1,40}")
TOKEN = re.compile(r"[A-Za-z0-9_-]{1,32}")

NO_TEXT = re.compile("[\ud800-\udfff]|\\\\u0000")
"""As JSON writes it again: half a surrogate pair, or NUL, which no database stores."""

CONFIDENCE = (
    (5, _("Completely confident")),
    (4, _("Fairly confident")),
    (3, _("Somewhat confident")),
    (2, _("Slightly confident")),
    (1, _("Not confident at all")),
)
"""The five steps, strongest first, in this order on every page."""


class ConsentForm(forms.Form):
    """The decision of the consent page."""

    decision = forms.ChoiceField(choices=[("agree", "agree"), ("refuse", "refuse")])


class AnswerForm(forms.Form):
    """The answer to a trial. `trial` and `key` are opaque and come back as the page had them."""

    trial = forms.CharField(max_length=32, widget=forms.HiddenInput)
    key = forms.CharField(max_length=32, widget=forms.HiddenInput)
    choice = forms.TypedChoiceField(
        coerce=int,
        choices=[(number, str(number)) for number in range(1, 6)],
        error_messages={
            "required": _("Choose one of the five names."),
            "invalid_choice": _("Choose one of the five names."),
        },
    )
    confidence = forms.TypedChoiceField(
        coerce=int,
        choices=CONFIDENCE,
        error_messages={
            "required": _("Say how confident you are."),
            "invalid_choice": _("Say how confident you are."),
        },
    )
    free_text = forms.CharField(max_length=500, required=False, strip=True)


class DeviceForm(forms.Form):
    """What a browser reports: without sound or storage it cannot go on."""

    sound = forms.BooleanField()
    storage = forms.BooleanField()
    touch = forms.BooleanField(required=False)
    width = forms.IntegerField(required=False, min_value=0, max_value=100_000)
    """Of the window, CSS pixels."""


class EvidenceForm(forms.Form):
    """What a check's page saw before its answer; a page without its script says nothing."""

    plays = forms.IntegerField(required=False, min_value=0, max_value=100_000)
    heard_ms = forms.IntegerField(required=False, min_value=0, max_value=MAX_MILLISECONDS)
    hidden_ms = forms.IntegerField(required=False, min_value=0, max_value=MAX_MILLISECONDS)
    page_ms = forms.IntegerField(required=False, min_value=0, max_value=MAX_MILLISECONDS)

    def answer(self) -> dict[str, Any]:
        """The answer, with the evidence beside it under `evidence`."""
        seen = {name: self.cleaned_data[name] for name in EvidenceForm.base_fields}
        rest = {name: self.cleaned_data[name] for name in self.cleaned_data if name not in seen}
        return rest | {"evidence": {k: v for k, v in seen.items() if v is not None}}


class CountForm(EvidenceForm):
    """How many soft tones were counted."""

    token = forms.CharField(max_length=32)
    count = forms.TypedChoiceField(
        coerce=int,
        choices=[(number, str(number)) for number in (*TONE_COUNTS, 0)],
        error_messages={"required": _("Say how many tones you heard.")},
    )


class PlaceForm(EvidenceForm):
    """Which of three it was."""

    token = forms.CharField(max_length=32)
    choice = forms.TypedChoiceField(
        coerce=int,
        choices=[(number, str(number)) for number in (1, 2, 3)],
        error_messages={"required": _("Choose one of the three.")},
    )


def questionnaire_form(questions: Sequence[Question], data: Mapping[str, Any] | None) -> forms.Form:
    """A form of these questions; none is required, an answer that is not offered is refused."""
    form = forms.Form(data)
    for question in questions:
        form.fields[question.name] = forms.ChoiceField(choices=question.answers, required=False)
    return form


def parse_events(body: bytes) -> tuple[list[EventData], list[str]]:
    """The events of a call and the sequences of those that are none, so that the page drops them.

    Raises `ValidationError` if the body is too large or no JSON list of at most `MAX_EVENTS`.
    """
    if len(body) > MAX_EVENT_BYTES:
        raise ValidationError(f"{len(body)} bytes of events, over the limit of {MAX_EVENT_BYTES}")
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValidationError("events are not JSON") from error
    if not isinstance(given, list) or len(given) > MAX_EVENTS:
        raise ValidationError(f"events must be a JSON list of at most {MAX_EVENTS}")
    if NO_TEXT.search(json.dumps(given, ensure_ascii=False)):
        raise ValidationError("events hold characters that are none: NUL or half a surrogate pair")
    events: list[EventData] = []
    broken: list[str] = []
    for one in given:
        sequence = one.get("sequence") if isinstance(one, dict) else None
        if not isinstance(sequence, str) or not SEQUENCE.fullmatch(sequence):
            continue
        event = _event(one, sequence)
        if event is None:
            broken.append(sequence)
        else:
            events.append(event)
    return events, broken


def _event(given: dict[str, Any], sequence: str) -> EventData | None:
    """The event, or None if a value is not of its kind."""
    trial, kind, clip = given.get("trial"), given.get("type"), given.get("clip")
    at_ms, value = given.get("at_ms"), given.get("value")
    if not isinstance(trial, str) or not TOKEN.fullmatch(trial) or kind not in Event.Type.values:
        return None
    if clip is not None and (not _is_whole(clip) or not 1 <= clip <= 3):
        return None
    if kind in OF_A_CLIP and clip is None:
        return None
    if at_ms is None or not all(one is None or _is_time(one) for one in (at_ms, value)):
        return None
    return EventData(
        trial=trial, type=kind, at_ms=round(at_ms), sequence=sequence, clip=clip,
        value=None if value is None else round(value),
    )  # fmt: skip


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_time(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value < MAX_MILLISECONDS
