"""Reads for the playback of a passage: what happened on each trial's page, on one axis of time.

The axis of a trial counts milliseconds from when its page was first made (`Trial.shown_at`). The
page's own clock begins again whenever the page is opened again; each of these views is placed by
its events' arrival, since none can have arrived before it happened.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from studyapp.models import Event, Participation, Trial
from studyapp.models.studies import STIMULI
from studyapp.models.trial_kinds import in_order
from studyapp.participation.selectors.trials import shown_options

SENT_WITHIN_MS = 5_000
"""A page sends its events within about two seconds: a view whose first events came later than this
after the trial was first shown was opened again."""
AFTER_MS = 500
"""How long a trial's axis goes on after the last thing that happened."""
ANSWERED = "answered"
UNSHOWN = frozenset(
    kind.value for kind in (
        Event.Type.HEARD, Event.Type.KEYS, Event.Type.KEY_INTERVAL, Event.Type.KEY_SPREAD,
        Event.Type.POINTER, Event.Type.PRESSES,
    )
)  # fmt: skip
"""Sums, which say nothing of a moment."""


@dataclass(frozen=True)
class Moment:
    """Something that happened on a trial's page."""

    at: int
    """Milliseconds on the trial's axis."""
    type: str
    name: str
    clip: int | None = None
    value: int | None = None


@dataclass(frozen=True)
class Span:
    """A stretch of a trial's axis, in thousandths of its length: a bar in its row."""

    row: int
    """From 0: a sound was played; after the sounds: the page was hidden."""
    x: float
    width: float

    @property
    def y(self) -> int:
        """The bar's upper edge; a row is 12 high."""
        return 12 * self.row + 1


@dataclass(frozen=True)
class PlayedTrial:
    """A trial as its page was, and what happened there."""

    trial: Trial
    options: list[tuple[int, str]]
    moments: list[Moment]
    length: int
    """Of the axis, milliseconds."""
    seconds: list[float]
    """Length of each sound."""

    @property
    def spans(self) -> list[Span]:
        """When sounds were played and the page was hidden."""
        return _spans(self)

    @property
    def marks(self) -> list[tuple[float, str]]:
        """Place, in thousandths, and name of what has no length: seeks, the answer."""
        return [
            (round(1000 * one.at / self.length, 1), one.name)
            for one in self.moments
            if one.type in (Event.Type.SEEK, ANSWERED, Event.Type.ERROR)
        ]

    @property
    def height(self) -> int:
        """Of the chart: a row for each sound, and one for the page."""
        return 12 * (len(self.seconds) + 1)

    def data(self) -> dict[str, Any]:
        """What the page's script needs."""
        return {
            "length": self.length,
            "seconds": self.seconds,
            "moments": [
                {"at": one.at, "type": one.type, "clip": one.clip, "value": one.value}
                for one in self.moments
            ],
        }


def played(participation: Participation) -> list[PlayedTrial]:
    """The participation's trials that were shown, in order."""
    related = ("response", *(f"item__{name}" for name in STIMULI))
    trials = participation.trials.exclude(shown_at=None).select_related(*related)
    events: defaultdict[int, list[Event]] = defaultdict(list)
    for event in Event.objects.filter(participation=participation, trial__isnull=False):
        events[event.trial_id or 0].append(event)
    return [_played(trial, events[trial.pk]) for trial in trials.order_by("number")]


def _played(trial: Trial, events: Sequence[Event]) -> PlayedTrial:
    answer = trial.response.response_ms if hasattr(trial, "response") else None
    moments = _moments(trial, events, answer)
    last = max([one.at for one in moments], default=0)
    return PlayedTrial(
        trial=trial,
        options=shown_options(trial),
        moments=moments,
        length=last + AFTER_MS,
        seconds=[
            stimulus.seconds
            for stimulus in in_order(
                trial.item.stimuli, trial.option_order, trial.participation.study.kind
            )
        ],
    )


def _moments(trial: Trial, events: Sequence[Event], answer: int | None) -> list[Moment]:
    views: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        views[event.sequence.rpartition("-")[0]].append(event)
    found = []
    for own in views.values():
        start = _start(own, trial.shown_at, answer)
        found += [_moment(one, start) for one in own if one.type not in UNSHOWN]
    if answer is not None:
        found.append(Moment(answer, ANSWERED, "answered"))
    return sorted(found, key=lambda one: one.at)


def _start(events: Sequence[Event], shown_at: datetime | None, answer: int | None) -> int:
    """When the view was opened, on the trial's axis: not after its events came, nor so late that
    they would have happened after the answer."""
    latest = min(_since(one.received_at, shown_at) - one.at_ms for one in events)
    if answer is not None:
        latest = min(latest, answer - max(one.at_ms for one in events))
    return 0 if latest < SENT_WITHIN_MS else latest


def _since(at: datetime, shown_at: datetime | None) -> int:
    return round((at - shown_at).total_seconds() * 1000) if shown_at else 0


def _moment(event: Event, start: int) -> Moment:
    name = event.get_type_display()
    if event.clip:
        name += f" sound {event.clip}"
    return Moment(start + event.at_ms, event.type, name, event.clip, event.value)


def _spans(played: PlayedTrial) -> list[Span]:
    """From each start to the end that follows it, or to the trial's."""
    found, begun = list[Span](), dict[int, int]()
    kinds = Event.Type
    for one in [*played.moments, Moment(played.length, "", "")]:
        starts = one.type in (kinds.PLAY, kinds.HIDDEN)
        is_of_page = one.type in (kinds.HIDDEN, kinds.VISIBLE)
        row = len(played.seconds) if is_of_page else (one.clip or 0) - 1
        if one.type == kinds.SEEK or (starts and row in begun):
            continue
        if starts:
            begun[row] = one.at
            continue
        # Opening the page again, and the end, end everything.
        over = list(begun) if one.type in (kinds.SHOWN, "") else [row]
        found += [_span(row, begun.pop(row), one.at, played.length) for row in over if row in begun]
    return found


def _span(row: int, start: int, end: int, length: int) -> Span:
    return Span(row, round(1000 * start / length, 1), round(1000 * (end - start) / length, 1))
