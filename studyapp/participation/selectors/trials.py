"""Reads for trials: how far a participation has got, what a trial shows, what was heard of it."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from django.db.models import Count, QuerySet, Sum
from django.utils.translation import gettext

from studyapp.core.database.prepared import prepared
from studyapp.models import Event, Item, Participation, Response, Trial
from studyapp.models.studies import STIMULI

ANSWERING_SECONDS = 20.0
"""How long a trial is assumed to take besides its sounds, until the participant's pace is known."""


START_MS = 250
"""A play that begins later than this continues an earlier one, or was begun at a chosen place."""


@dataclass(frozen=True)
class TrialProgress:
    """How far a participation has got with its trials."""

    trials: tuple[Trial, ...]
    """In the order shown, each with its response loaded."""
    answered: tuple[Response, ...]

    @property
    def current(self) -> Trial | None:
        """The first unanswered trial; None when all are answered."""
        return next((trial for trial in self.trials if not _has_response(trial)), None)

    @property
    def following(self) -> Trial | None:
        """The unanswered trial after the current one."""
        return next(iter([trial for trial in self.trials if not _has_response(trial)][1:]), None)

    def with_token(self, token: str) -> Trial | None:
        """The trial that has the token; None if the participation has no such trial."""
        return next((trial for trial in self.trials if trial.token == token), None)

    def counted_with(self, trial: Trial) -> tuple[Trial, ...]:
        """The trials numbered together with this one: those of practice, or all others."""
        is_practice = trial.kind == Trial.Kind.PRACTICE
        return tuple(one for one in self.trials if (one.kind == Trial.Kind.PRACTICE) == is_practice)

    def pace(self, *, seconds_of_sound: float) -> float:
        """Seconds per trial: the participant's median so far.

        Before the first answer it is the length of the sounds plus `ANSWERING_SECONDS`. Answers
        that a preview skipped took no time and say nothing.
        """
        took = [answer.response_ms for answer in self.answered if answer.response_ms]
        return statistics.median(took) / 1000 if took else seconds_of_sound + ANSWERING_SECONDS


def progress_of(participation: Participation) -> TrialProgress:
    """All trials of the participation with their responses, in one query."""
    trials = tuple(_trials_of(participation.pk))
    for trial in trials:
        trial.participation = participation  # each refers to this very object
    return TrialProgress(trials, tuple(trial.response for trial in trials if _has_response(trial)))


@prepared
def _trials_of(participation: int) -> QuerySet[Trial]:
    found = Trial.objects.filter(participation=participation)
    return found.select_related("response").order_by("number")


def responses_in_order(participation: Participation) -> dict[int, int | None]:
    """Primary keys of the trials, in the order shown, → that of the response, None without one."""
    return dict(_responses(participation.pk))


@prepared
def _responses(participation: int) -> QuerySet[Trial, tuple[int, int | None]]:
    found = Trial.objects.filter(participation=participation)
    return found.order_by("number").values_list("pk", "response__pk")


def item_of(trial: Trial) -> Item:
    """The trial's item with its stimuli, in one query."""
    [item] = _item(trial.item_id)
    return item  # type: ignore[no-any-return]


@prepared
def _item(pk: int) -> QuerySet[Item]:
    return Item.objects.select_related(*STIMULI).filter(pk=pk).order_by()


def lengths_of(trial: Trial) -> tuple[float, ...]:
    """Lengths of the trial's sounds, seconds."""
    [found] = _lengths(trial.item_id)
    return tuple(length for length in found if length is not None)


@prepared
def _lengths(item: int) -> QuerySet[Item, tuple[float | None, ...]]:
    lengths = [f"{name}__seconds" for name in STIMULI]
    return Item.objects.filter(pk=item).order_by().values_list(*lengths)


def seconds_of(trial: Trial) -> float:
    """Total length of the trial's sounds, seconds."""
    return sum(lengths_of(trial))


def heard_clips(trial: Trial) -> set[int]:
    """Numbers of the trial's clips that were played to the end, according to the events."""
    return {clip for (clip,) in _heard_clips(trial.pk)}


@prepared
def _heard_clips(trial: int) -> QuerySet[Event, tuple[int | None]]:
    ended = Event.objects.filter(trial=trial, type=Event.Type.ENDED, clip__isnull=False)
    return ended.order_by().values_list("clip").distinct()


def heard_by_token(*, participation: Participation, tokens: set[str]) -> dict[str, list[int]]:
    """Token → numbers of the clips heard to the end, for those of the participation's trials."""
    heard: dict[str, list[int]] = {}
    for token, clip in _heard_by_token(participation.pk, tuple(tokens)) if tokens else ():
        heard.setdefault(token, []).append(clip)
    return heard


@prepared
def _heard_by_token(
    participation: int, tokens: tuple[str, ...]
) -> QuerySet[Event, tuple[str, int | None]]:
    ended = Event.objects.filter(type=Event.Type.ENDED, clip__isnull=False)
    own = ended.filter(trial__participation=participation, trial__token__in=tokens)
    return own.order_by("clip").values_list("trial__token", "clip").distinct()


def starts_of(trial: Trial) -> dict[int, int]:
    """Clip → how often it was begun at its start, according to the events."""
    begun = Event.objects.filter(trial=trial, type=Event.Type.PLAY).exclude(value__gte=START_MS)
    rows = begun.order_by().values("clip").annotate(n=Count("pk")).values_list("clip", "n")
    return {clip: n for clip, n in rows if clip is not None}


def heard_ms_of(trial: Trial) -> dict[int, int]:
    """Clip → milliseconds of it that were played, repetitions included."""
    heard = Event.objects.filter(trial=trial, type=Event.Type.HEARD)
    rows = heard.order_by().values("clip").annotate(ms=Sum("value")).values_list("clip", "ms")
    return {clip: ms or 0 for clip, ms in rows if clip is not None}


def shown_options(trial: Trial) -> list[tuple[int, str]]:
    """Position and text of the options, in the order in which this trial shows them."""
    options = trial.item.options
    if not options:  # One of the sounds is chosen.
        places = range(1, len(trial.option_order) + 1)
        return [(place, gettext("Sound {n}").format(n=place)) for place in places]
    return [(place, options[index]["text"]) for place, index in enumerate(trial.option_order, 1)]


def _has_response(trial: Trial) -> bool:
    return hasattr(trial, "response")
