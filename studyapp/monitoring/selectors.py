"""Reads for a study that runs: who stands where, how long it takes, who left; one passage in full.

Nothing here tells what was answered under which method. Conditions are numbered in an order that
only the site's key tells, until the study may be unblinded.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Q, QuerySet
from django.utils import timezone

from studyapp.models import Event, Participation, Response, StepRecord, Study, Trial
from studyapp.models.steps import STEPS, Step
from studyapp.studies.selectors import people

RECENT = 2000
"""Medians are taken over so many of the newest."""
PAGE = 50
Status = Participation.Status


@dataclass(frozen=True)
class Pace:
    """How long it takes, medians; None before there is anything to take one of."""

    trial_seconds: float | None
    """Of a main trial, from its showing to its answer."""
    passage_minutes: float | None
    """From consent to the end."""
    last_answer_at: datetime | None


@dataclass(frozen=True)
class Line:
    """A participation in the list."""

    participation: Participation
    page: str
    """Where it stands, or stood."""
    answered: int
    trials: int
    last_answer_at: datetime | None

    @property
    def is_quiet(self) -> bool:
        """Whether it is active in name alone: nobody came back in time."""
        return is_quiet(self.participation)


@dataclass(frozen=True)
class Moment:
    """Something that happened, at the server's time."""

    at: datetime
    what: str
    detail: str = ""


@dataclass
class Shown:
    """A trial as it went, without what was answered."""

    trial: Trial
    seconds: float | None
    """To the answer; None where there is none."""
    plays: dict[int, int] = field(default_factory=dict)
    """Clip → how often it was started. No Counter: to a template, that has an item `items`."""
    ended: set[int] = field(default_factory=set)
    """Clips heard to the end."""
    hidden_seconds: float = 0.0
    errors: int = 0
    events: list[Event] = field(default_factory=list)


def states(study: Study) -> list[tuple[str, int, int]]:
    """State, participations, of which simulated; those that went quiet apart from the active."""
    rows = study.participations.values_list(
        "status", "simulated", "lease_expires_at", "assigned_at", "created_at"
    ).filter(status=Status.ACTIVE)
    counts: Counter[tuple[str, bool]] = Counter()
    others = study.participations.exclude(status=Status.ACTIVE).order_by()
    for status, simulated, n in others.values_list("status", "simulated").annotate(n=Count("pk")):
        counts[Status(status).label, simulated] = n
    oldest = timezone.now() - timedelta(minutes=study.lease_minutes)
    for _, simulated, lease, _, created in rows:
        gone = lease < timezone.now() if lease else created < oldest
        counts["inactive" if gone else "active", simulated] += 1
    order = ["active", "inactive", *(status.label for status in Status)]
    names = [name for name in dict.fromkeys(order) if counts[name, True] or counts[name, False]]
    return [(name, counts[name, True] + counts[name, False], counts[name, True]) for name in names]


def is_quiet(participation: Participation) -> bool:
    """Whether an active participation's time ran out without an end."""
    if participation.status != Status.ACTIVE:
        return False
    lease = participation.lease_expires_at
    if lease is None:
        minutes = participation.study.lease_minutes
        return participation.created_at < timezone.now() - timedelta(minutes=minutes)
    return lease < timezone.now()


def pace(study: Study) -> Pace:
    """The medians of the newest, and the time of the last answer."""
    own = people.counted(study, "trial__participation__")
    answers = Response.objects.filter(own, trial__participation__study=study)
    main = answers.filter(trial__kind=Trial.Kind.MAIN).order_by("-pk")
    times = list(main.values_list("response_ms", flat=True)[:RECENT])
    done = study.participations.filter(people.counted(study), status=Status.COMPLETE)
    ended = done.exclude(consented_at=None)
    spans = ended.order_by("-pk").values_list("consented_at", "finished_at")[:RECENT]
    minutes = [(end - start).total_seconds() / 60 for start, end in spans if start and end]
    return Pace(
        trial_seconds=statistics.median(times) / 1000 if times else None,
        passage_minutes=statistics.median(minutes) if minutes else None,
        last_answer_at=answers.aggregate(at=Max("answered_at"))["at"],
    )


def dropouts(study: Study) -> list[tuple[str, int]]:
    """Page → how many left the study there: returned, timed out, inactive; in order of pages."""
    now = timezone.now()
    oldest = now - timedelta(minutes=study.lease_minutes)
    quiet = Q(status=Status.ACTIVE) & (
        Q(lease_expires_at__lt=now) | Q(lease_expires_at=None, created_at__lt=oldest)
    )
    own = study.participations.filter(people.counted(study))
    left = own.filter(Q(status__in=(Status.RETURNED, Status.TIMED_OUT)) | quiet)
    counts = Counter(_pages(study, list(left)).values())
    return [(step.value, counts[step]) for step in STEPS if counts[step]]


def listed(study: Study, *, before: int | None = None) -> tuple[list[Line], int | None]:
    """A page of participations, the newest first, and where the next page begins; None at the end.

    Read by key, so that no page costs more than another.
    """
    found = study.participations.order_by("-pk")
    if before is not None:
        found = found.filter(pk__lt=before)
    rows = list(found[: PAGE + 1])
    shown = rows[:PAGE]
    for row in shown:
        row.study = study
    pages = _pages(study, shown)
    counts = _answers(shown)
    lines = [Line(row, pages[row.pk].value, *counts.get(row.pk, (0, 0, None))) for row in shown]
    return lines, shown[-1].pk if len(rows) > PAGE else None


def named(study: Study, identifier: str) -> Participation | None:
    """The study's participation of that pseudonym."""
    found = study.participations.filter(identifier=identifier).first()
    if found is not None:
        found.study = study
    return found


def moments(participation: Participation) -> list[Moment]:
    """What happened outside the trials, in order."""
    found = [Moment(participation.created_at, "followed the link")]
    for name, what in (
        ("consented_at", "agreed to take part"),
        ("assigned_at", "was given a place and trials"),
        ("instructed_at", "read the instructions"),
    ):
        at = getattr(participation, name)
        if at is not None:
            found.append(Moment(at, what))
    for record in StepRecord.objects.filter(participation=participation):
        found.append(Moment(record.begun_at, f"came to {record.step}"))
        if record.done_at is not None:
            found.append(Moment(record.done_at, f"left {record.step} behind", _outcome(record)))
    if participation.finished_at is not None:
        found.append(Moment(participation.finished_at, participation.get_status_display()))
    return sorted(found, key=lambda moment: moment.at)


def shown_trials(participation: Participation) -> list[Shown]:
    """The participation's trials with what their events add up to."""
    trials = Trial.objects.filter(participation=participation).select_related(
        "response", "item__condition", "repeat_of"
    )
    shown = {trial.pk: Shown(trial, _seconds(trial)) for trial in trials.order_by("number")}
    for event in Event.objects.filter(participation=participation).order_by("pk"):
        if event.trial_id in shown:
            _count(shown[event.trial_id], event)
    return list(shown.values())


def _count(shown: Shown, event: Event) -> None:
    shown.events.append(event)
    if event.type == Event.Type.PLAY and event.clip:
        shown.plays[event.clip] = shown.plays.get(event.clip, 0) + 1
    elif event.type == Event.Type.ENDED and event.clip:
        shown.ended.add(event.clip)
    elif event.type == Event.Type.VISIBLE:
        shown.hidden_seconds += (event.value or 0) / 1000
    elif event.type == Event.Type.ERROR:
        shown.errors += 1


def _seconds(trial: Trial) -> float | None:
    return trial.response.response_ms / 1000 if hasattr(trial, "response") else None


def _outcome(record: StepRecord) -> str:
    """What a check said of itself, in words; nothing of the questionnaire."""
    data: dict[str, Any] = record.data
    if record.step == Step.HEADPHONES and data.get("passed"):
        return ", ".join(
            f"{name} {'passed' if good else 'failed'}" for name, good in data["passed"].items()
        )
    if record.step == Step.VOLUME and "passed" in data:
        tries = len(data.get("answers", ()))
        return f"{'right' if data['passed'] else 'wrong'} after {tries} of 3 attempts"
    if record.step == Step.DEVICE and data.get("report"):
        touch = "touch" if data["report"].get("touch") else "no touch"
        return f"{data['report'].get('width') or '?'} px wide, {touch}"
    return ""


def _pages(study: Study, rows: Sequence[Participation]) -> dict[int, Step]:
    """Participation → the page where it stands or stood, by one query for all of them."""
    done: defaultdict[int, set[str]] = defaultdict(set)
    records = StepRecord.objects.filter(participation__in=rows, done_at__isnull=False)
    for pk, step in records.values_list("participation_id", "step"):
        done[pk].add(step)
    return {row.pk: _page(study, row, done[row.pk]) for row in rows}


def _page(study: Study, row: Participation, done: set[str]) -> Step:
    if row.status == Status.COMPLETE:
        return Step.THANKS
    if row.consented_at is None:
        return Step.CONSENT
    passed = done | {Step.CONSENT.value}
    if row.instructed_at is not None:
        passed.add(Step.INSTRUCTIONS.value)
    return Step(next((step for step in study.steps if step not in passed), Step.TRIAL))


def _answers(rows: Sequence[Participation]) -> dict[int, tuple[int, int, datetime | None]]:
    """Participation → answered trials, all its trials, when the last was answered."""
    trials: QuerySet[Trial] = Trial.objects.filter(participation__in=rows).order_by()
    counted = trials.values_list("participation").annotate(
        answered=Count("response"), n=Count("pk"), at=Max("response__answered_at")
    )
    return {pk: (answered, n, at) for pk, answered, n, at in counted}
