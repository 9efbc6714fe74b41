"""Events reported by a participant's page: sounds played, page hidden. Append-only, and bounded.

The page runs on the participant's device, so its numbers are limited by the server's clock: nothing
was heard, and no page was hidden, for longer than the time that has passed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from studyapp.core import clock
from studyapp.core.database.durability import on_disk_with_the_next
from studyapp.core.database.prepared import insert
from studyapp.models import Event, Participation, Study
from studyapp.participation.selectors import events as selectors

ACCEPTING_STATUSES = frozenset({Participation.Status.ACTIVE, Participation.Status.COMPLETE})
"""Statuses in which events are accepted: the last events arrive after the last answer."""
AFTER_ANSWER = timedelta(minutes=1)
"""How long after a trial's answer its events are still accepted."""
MAX_PER_TRIAL = 5_000
"""Maximum number of events per trial; an hour of listening produces about a fifth of it."""
SLACK_MS = 5_000
"""How far a page's clock may run ahead of the server's."""
UNKNOWN_MS = 3_600_000
"""Limit of a duration when the server's clock was set back and the true limit is unknown."""
SIMULATED_MS = 2**40
"""Limit for simulated participations, which may run on a faster clock: in effect none."""


@dataclass(frozen=True)
class EventData:
    """One event as the page sent it, with validated values."""

    trial: str
    type: str
    at_ms: int
    sequence: str
    clip: int | None = None
    value: int | None = None


def record_events(
    *, participation: Participation, events: Sequence[EventData]
) -> tuple[list[str], list[str]]:
    """Store what happened on the page. Returns the sequences stored and those ignored.

    Events are ignored if the study is closed, or if their trial is not this participation's, was
    never shown, was answered over a minute ago, has no such clip, or has too many events. A
    sequence that was stored before counts as stored.
    """
    if not events:
        return [], []
    with on_disk_with_the_next():
        row = selectors.locked(participation.pk)
        stored = store(row, events) if row else set()
    taken = [event.sequence for event in events if event.sequence in stored]
    return taken, [event.sequence for event in events if event.sequence not in stored]


def store(row: Participation, events: Sequence[EventData]) -> set[str]:
    """Store new events of a participation whose row is locked. Returns all stored sequences."""
    if row.status not in ACCEPTING_STATUSES or row.study.state not in Study.UNDER_WAY:
        return set()
    stored = selectors.known_sequences(row, {event.sequence for event in events})
    taken = set(Event.Type.values) - (set() if row.study.watch_machines else set(Event.WATCHED))
    fresh = {
        event.sequence: event
        for event in events
        if event.sequence not in stored
        and event.type in taken
        and (event.clip is None or event.clip in row.study.kind.numbers)
    }
    rows: list[Event] = []
    for trial in selectors.trial_events(row, {event.trial for event in fresh.values()}).values():
        if _is_accepted(trial):
            rows += _rows(row, trial, [one for one in fresh.values() if one.trial == trial.token])
    insert(rows)
    return stored | {row.sequence for row in rows}


def _is_accepted(trial: selectors.TrialEvents) -> bool:
    return trial.answered_at is None or clock.now() - trial.answered_at < AFTER_ANSWER


def _rows(
    participation: Participation, trial: selectors.TrialEvents, events: Sequence[EventData]
) -> list[Event]:
    """Rows for as many events as the trial has room for, their values capped."""
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
    events: Sequence[EventData], trial: selectors.TrialEvents, limit: int
) -> Iterator[int | None]:
    """The events' values; durations, with those of earlier calls, add up to at most `limit`."""
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


def _limit_ms(participation: Participation, trial: selectors.TrialEvents) -> int:
    """The longest that anything on the trial's page can have lasted, milliseconds."""
    if participation.simulated:
        return SIMULATED_MS
    elapsed = clock.elapsed_ms(trial.shown_at) if trial.shown_at else 0
    return elapsed + SLACK_MS if elapsed >= 0 else UNKNOWN_MS
