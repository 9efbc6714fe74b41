"""What a participant's page tells: sounds played, page hidden. Append-only, and bounded.

A page is in the participant's hands, so its numbers are believed only as far as the server's clock
allows: no more sound was heard, and the page was hidden no longer, than time has passed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction

from studyapp.core import clock
from studyapp.models import Event, Participation, Study
from studyapp.participation.selectors import events as selectors

OBSERVED = frozenset({Participation.Status.ACTIVE, Participation.Status.COMPLETE})
"""Statuses under which events are still taken: the last ones arrive after the last answer."""
TAKING = frozenset({Study.State.OPEN, Study.State.PAUSED})
AFTER_ANSWER = timedelta(minutes=1)
"""How long after a trial's answer its events are still taken."""
MAX_PER_TRIAL = 5_000
"""Events of one trial; an hour of listening makes about a fifth of that."""
SLACK_MS = 5_000
"""How far a page's clock may be ahead of the server's."""
UNKNOWN_MS = 3_600_000
"""Limit of a duration where the server's clock was set back and cannot tell."""
FASTER_MS = 2**40
"""Limit for simulated participations, which may run on a faster clock: none to speak of."""


@dataclass(frozen=True)
class EventData:
    """One event as the page sent it, its values checked."""

    trial: str
    type: str
    at_ms: int
    sequence: str
    clip: int | None = None
    value: int | None = None


def record_events(
    *, participation: Participation, events: Sequence[EventData]
) -> tuple[list[str], list[str]]:
    """Store what happened on the page; gives the sequences stored and those ignored.

    Ignored are events of a study that is closed, and of trials that are not this participation's,
    were never shown, were answered a while ago, or have too many. The same sequence again counts
    as stored.
    """
    if not events:
        return [], []
    with transaction.atomic():
        stored = _stored(participation, events)
    taken = [event.sequence for event in events if event.sequence in stored]
    return taken, [event.sequence for event in events if event.sequence not in stored]


def _stored(participation: Participation, events: Sequence[EventData]) -> set[str]:
    """Sequences that are stored now; the participation's row is locked meanwhile."""
    row = selectors.locked(participation.pk)
    if row.status not in OBSERVED or row.study.state not in TAKING:
        return set()
    stored = selectors.known_sequences(row, {event.sequence for event in events})
    fresh = {event.sequence: event for event in events if event.sequence not in stored}
    rows: list[Event] = []
    for trial in selectors.watched(row, {event.trial for event in fresh.values()}).values():
        if _is_taken(trial):
            rows += _rows(row, trial, [one for one in fresh.values() if one.trial == trial.token])
    Event.objects.bulk_create(rows)
    return stored | {row.sequence for row in rows}


def _is_taken(trial: selectors.Watched) -> bool:
    return trial.answered_at is None or clock.now() - trial.answered_at < AFTER_ANSWER


def _rows(
    participation: Participation, trial: selectors.Watched, events: Sequence[EventData]
) -> list[Event]:
    """As many as there is room for, each value no more than can be."""
    limit = _limit_ms(participation, trial)
    events = events[: max(0, MAX_PER_TRIAL - trial.stored)]
    return [
        Event(
            participation=participation,
            trial_id=trial.pk,
            type=event.type,
            clip=event.clip,
            at_ms=min(event.at_ms, limit),
            value=value,
            sequence=event.sequence,
        )
        for event, value in zip(events, _values(events, trial, limit), strict=True)
    ]


def _values(
    events: Sequence[EventData], trial: selectors.Watched, limit: int
) -> Iterator[int | None]:
    """Their values; durations add up to `limit` at the most, with those of earlier calls."""
    left = {
        Event.Type.HEARD.value: max(0, limit - trial.heard_ms),
        Event.Type.VISIBLE.value: max(0, limit - trial.hidden_ms),
    }
    for event in events:
        if event.value is None or event.type not in left:
            yield event.value
            continue
        value = min(event.value, left[event.type])
        left[event.type] -= value
        yield value


def _limit_ms(participation: Participation, trial: selectors.Watched) -> int:
    """The longest that anything on the trial's page can have lasted, milliseconds."""
    if participation.simulated:
        return FASTER_MS
    elapsed = clock.elapsed_ms(trial.shown_at) if trial.shown_at else 0
    return elapsed + SLACK_MS if elapsed >= 0 else UNKNOWN_MS
