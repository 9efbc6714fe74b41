"""Reads for participations: where one stands, its current trial, who holds places."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from pathlib import Path

from django.db.models import QuerySet

from studyapp.models import (
    Event,
    Item,
    Participation,
    Response,
    StepRecord,
    Study,
    Trial,
)
from studyapp.models.steps import NEEDED, Step

ANSWERING_SECONDS = 20.0
"""Guess of what a trial takes beside its sounds, until the participant's own pace is known."""


@dataclass(frozen=True)
class Passage:
    """A participation's way through its trials."""

    trials: tuple[Trial, ...]
    """In the order shown, each with its response at hand."""
    answered: tuple[Response, ...]

    @property
    def current(self) -> Trial | None:
        """The first unanswered trial; None when all are answered."""
        return next((trial for trial in self.trials if not _has_response(trial)), None)

    def of_token(self, token: str) -> Trial | None:
        """The trial of that token; None for any that is not the participation's."""
        return next((trial for trial in self.trials if trial.token == token), None)

    @property
    def following(self) -> Trial | None:
        """The unanswered trial after the current one."""
        return next(iter([trial for trial in self.trials if not _has_response(trial)][1:]), None)

    def beside(self, trial: Trial) -> tuple[Trial, ...]:
        """The trials that are counted together with this one: those of practice, or all others."""
        is_practice = trial.kind == Trial.Kind.PRACTICE
        return tuple(one for one in self.trials if (one.kind == Trial.Kind.PRACTICE) == is_practice)

    def minutes_left(self, *, seconds_of_sound: float) -> int:
        """Whole minutes to the end, at least 1: by the median of the own pace, else by a guess."""
        pace = seconds_of_sound + ANSWERING_SECONDS
        if self.answered:
            pace = statistics.median(answer.response_ms for answer in self.answered) / 1000
        return max(1, math.ceil((len(self.trials) - len(self.answered)) * pace / 60))


def step_of(participation: Participation) -> Step:
    """The page where the participation stands, by its row and its study's state."""
    if participation.status == Participation.Status.COMPLETE:
        return Step.THANKS
    closed = participation.study.state == Study.State.CLOSED
    if closed or participation.status != Participation.Status.ACTIVE:
        return Step.ENDED
    if participation.consented_at is None:
        is_open = participation.study.state == Study.State.OPEN
        return Step.CONSENT if is_open else Step.ENDED
    return _next_step(participation)


def _next_step(participation: Participation) -> Step:
    """The first step after consent that is not done; the trials are, once they have a record."""
    steps = participation.study.steps
    done = set() if list(steps) == list(NEEDED) else steps_done(participation)
    if participation.instructed_at is not None:
        done.add(Step.INSTRUCTIONS)
    left = [step for step in steps if step not in done | {Step.CONSENT}]
    return Step(left[0]) if left else Step.TRIAL


def steps_done(participation: Participation) -> set[str]:
    """Names of the steps whose record is done."""
    records = StepRecord.objects.filter(participation=participation, done_at__isnull=False)
    return set(records.values_list("step", flat=True))


def sound_of(*, participation: Participation, token: str) -> Path | None:
    """The file of a sound of a check or an example, by its token there; its path from the data."""
    for record in StepRecord.objects.filter(participation=participation):
        if token in record.data.get("sounds", {}):
            return Path(record.data["sounds"][token])
    return None


def example_of(study: Study) -> Item | None:
    """The study's example with its stimuli: its first practice item."""
    related = ("stimulus_1", "stimulus_2", "stimulus_3")
    items = study.items.filter(role=Item.Role.PRACTICE).select_related(*related)
    return items.order_by("identifier").first()


def by_identifier(*, slug: str, identifier: str) -> Participation | None:
    """The participation of that pseudonym in any version of the study, with its study."""
    return _with_study().filter(identifier=identifier, study__series__slug=slug).order_by().first()


def bare_by_identifier(*, slug: str, identifier: str) -> Participation | None:
    """The same participation with its status alone: enough for sounds and events."""
    found = Participation.objects.only("status")
    return found.filter(identifier=identifier, study__series__slug=slug).order_by().first()


def by_external_key(*, slug: str, key: str) -> Participation | None:
    """The newest participation with that keyed hash in any version of the study, with its study."""
    found = _with_study().order_by("-study__version")
    return found.filter(external_key=key, study__series__slug=slug).first() if key else None


def locked(pk: int) -> Participation:
    """The participation with its study; its row, not the study's, is locked to the commit."""
    return _with_study().select_for_update(of=("self",), no_key=True).get(pk=pk)


def _with_study() -> QuerySet[Participation]:
    # `draw` grows with the study, and only a replay reads it.
    return Participation.objects.select_related("study").defer("draw")


def passage(participation: Participation) -> Passage:
    """All trials of the participation with their responses, in one query."""
    # By way of the participation, so that each trial has this very one at hand.
    trials = tuple(participation.trials.select_related("response").order_by("number"))
    return Passage(trials, tuple(trial.response for trial in trials if _has_response(trial)))


def playable(*, participation: Participation, token: str, number: int) -> Path | None:
    """Sound `number` of a trial of that token, up to one trial after the current; else None.

    Its path from the data folder.
    """
    if not 1 <= number <= 3:
        return None
    trials = participation.trials.order_by()
    columns = ("number", f"item__stimulus_{number}__path")
    asked = trials.filter(token=token).values_list(*columns).first()
    if asked is None:
        return None
    place, path = asked
    earlier = trials.filter(number__lt=place, response=None)
    # One unanswered trial before it: the next one, whose sounds the page loads ahead.
    return Path(path) if earlier.count() <= 1 else None


def item_of(trial: Trial) -> Item:
    """The trial's item with its three stimuli, in one query."""
    return Item.objects.select_related("stimulus_1", "stimulus_2", "stimulus_3").get(
        pk=trial.item_id
    )


def seconds_of(trial: Trial) -> float:
    """How long the trial's three sounds last together."""
    lengths = [f"stimulus_{number}__seconds" for number in (1, 2, 3)]
    seconds: float = sum(Item.objects.values_list(*lengths).get(pk=trial.item_id))
    return seconds


def heard_clips(trial: Trial) -> set[int]:
    """Numbers of the trial's clips that were played to the end, by the recorded events."""
    ended = Event.objects.filter(trial=trial, type=Event.Type.ENDED, clip__isnull=False)
    clips = ended.order_by().values_list("clip", flat=True).distinct()
    return {clip for clip in clips if clip is not None}


def heard_by_token(*, participation: Participation, tokens: set[str]) -> dict[str, list[int]]:
    """Token → numbers of the clips heard to the end, for those of the participation's trials."""
    ended = Event.objects.filter(
        participation=participation, trial__token__in=tokens, type=Event.Type.ENDED
    )
    heard: dict[str, list[int]] = {}
    rows = ended.order_by("clip").values_list("trial__token", "clip").distinct()
    for token, clip in rows:
        if clip is not None:
            heard.setdefault(token, []).append(clip)
    return heard


def shown_options(trial: Trial) -> list[tuple[int, str]]:
    """Position and text of the five options as this trial shows them."""
    options = trial.item.options
    return [(place, options[index]["text"]) for place, index in enumerate(trial.option_order, 1)]


def _has_response(trial: Trial) -> bool:
    return hasattr(trial, "response")
