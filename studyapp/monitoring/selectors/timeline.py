"""Reads for one participation in full: what happened when, trial by trial."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from studyapp.models import Event, Participation, ProblemReport, StepRecord, Trial
from studyapp.models.steps import Step


@dataclass(frozen=True)
class Moment:
    """Something that happened, by the server's clock."""

    at: datetime
    what: str
    detail: str = ""


@dataclass
class TrialTimeline:
    """How a trial went; views show its answer only once the study is unblinded."""

    trial: Trial
    seconds: float | None
    """From the trial being shown to its answer; None without an answer."""
    plays: dict[int, int] = field(default_factory=dict)
    """Clip → how often it was started. Not a Counter: a template would look up its key `items`."""
    ended: set[int] = field(default_factory=set)
    """Clips heard to the end."""
    hidden_seconds: float = 0.0
    errors: int = 0
    events: list[Event] = field(default_factory=list)


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
        found.append(Moment(record.begun_at, f"reached {record.step}"))
        if record.done_at is not None:
            found.append(Moment(record.done_at, f"finished {record.step}", _outcome(record)))
    for one in ProblemReport.objects.filter(participation=participation):
        detail = f"{one.get_kind_display()}, at {one.page}"
        found.append(Moment(one.reported_at, "reported a technical problem", detail))
    if participation.finished_at is not None:
        found.append(Moment(participation.finished_at, participation.get_status_display()))
    return sorted(found, key=lambda moment: moment.at)


def shown_trials(participation: Participation) -> list[TrialTimeline]:
    """The participation's trials with the totals of their events."""
    trials = Trial.objects.filter(participation=participation).select_related(
        "response", "item__condition", "repeat_of"
    )
    shown = {trial.pk: TrialTimeline(trial, _seconds(trial)) for trial in trials.order_by("number")}
    for event in Event.objects.filter(participation=participation).order_by("pk"):
        if event.trial_id in shown:
            _count(shown[event.trial_id], event)
    return list(shown.values())


def _count(shown: TrialTimeline, event: Event) -> None:
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
    """The result of a check, in words; nothing from the questionnaire."""
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
