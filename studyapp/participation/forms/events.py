"""Parses the events that a page's script sends as JSON."""

from __future__ import annotations

import json
import re
from typing import Any

from django.core.exceptions import ValidationError

from studyapp.models import Event
from studyapp.models.trial_kinds import MOST_CLIPS
from studyapp.participation.services.events import EventData

MAX_EVENTS = 200
"""Maximum number of events in one call."""
MAX_EVENT_BYTES = 65_536
MAX_MILLISECONDS = 2**40
"""Thirty-four years: no page reports a larger time."""
CLIP_EVENTS = frozenset({"play", "pause", "seek", "heard", "ended"})
SEQUENCE = re.compile(r"[A-Za-z0-9_-]{1,40}")
TOKEN = re.compile(r"[A-Za-z0-9_-]{1,32}")

NOT_TEXT = re.compile("[\ud800-\udfff]|\\\\u0000")
"""In re-encoded JSON: half a surrogate pair, or NUL, neither of which a database can store."""


def parse_events(body: bytes) -> tuple[list[EventData], list[str]]:
    """The valid events of a call, and the sequences of the others, which the page then drops.

    Raises `ValidationError` if the body is too large or not a JSON list of at most `MAX_EVENTS`.
    """
    if len(body) > MAX_EVENT_BYTES:
        raise ValidationError(f"{len(body)} bytes of events, over the limit of {MAX_EVENT_BYTES}")
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValidationError("events are not JSON") from error
    if not isinstance(given, list) or len(given) > MAX_EVENTS:
        raise ValidationError(f"events must be a JSON list of at most {MAX_EVENTS}")
    if NOT_TEXT.search(json.dumps(given, ensure_ascii=False)):
        raise ValidationError("events contain NUL or half a surrogate pair, which cannot be stored")
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
    """The event, or None if one of its values is invalid."""
    trial, kind, clip = given.get("trial"), given.get("type"), given.get("clip")
    at_ms, value = given.get("at_ms"), given.get("value")
    if not isinstance(trial, str) or not TOKEN.fullmatch(trial) or kind not in Event.Type.values:
        return None
    if clip is not None and (not _is_whole(clip) or not 1 <= clip <= MOST_CLIPS):
        return None
    if kind in CLIP_EVENTS and clip is None:
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
