"""Reads for the events of participants' pages: what is stored of a trial so far."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from studyapp.core.database.prepared import prepared
from studyapp.models import Event, Participation, Trial


@dataclass(frozen=True)
class TrialEvents:
    """A trial that was shown, with the totals of its events."""

    pk: int
    token: str
    shown_at: datetime | None
    answered_at: datetime | None
    stored: int
    """Number of events."""
    heard_ms: int
    hidden_ms: int


def locked(pk: int) -> Participation | None:
    """The participation with what decides which of its events are taken, its row locked until the
    commit.

    None if it has gone meanwhile, as that of a preview does.
    """
    return next(iter(_locked(pk)), None)


@prepared
def _locked(pk: int) -> QuerySet[Participation]:
    found = Participation.objects.select_for_update(of=("self",), no_key=True)
    study = ("study__state", "study__watch_machines", "study__option_policy")
    found = found.select_related("study").only("status", "simulated", *study)
    return found.filter(pk=pk).order_by()


def trial_events(participation: Participation, tokens: Collection[str]) -> dict[str, TrialEvents]:
    """Token → totals, for those tokens that name trials shown to this participation."""
    rows = _trial_events(participation.pk, tuple(tokens)) if tokens else []
    return {trial.token: trial for trial in (TrialEvents(*row) for row in rows)}


@prepared
def _trial_events(participation: int, tokens: tuple[str, ...]) -> QuerySet[Trial, Any]:
    shown = Trial.objects.filter(participation=participation, token__in=tokens)
    totals = (
        shown.filter(shown_at__isnull=False)
        .order_by()
        .annotate(
            stored=Count("events"),
            heard_ms=_sum_of(Event.Type.HEARD),
            hidden_ms=_sum_of(Event.Type.VISIBLE),
        )
    )
    return totals.values_list(
        "pk", "token", "shown_at", "response__answered_at", "stored", "heard_ms", "hidden_ms"
    )


def known_sequences(participation: Participation, sequences: Collection[str]) -> set[str]:
    """Which of the sequences are stored already."""
    rows = _known_sequences(participation.pk, tuple(sequences)) if sequences else []
    return {sequence for (sequence,) in rows}


@prepared
def _known_sequences(participation: int, sequences: tuple[str, ...]) -> QuerySet[Event, tuple[str]]:
    found = Event.objects.filter(participation=participation, sequence__in=sequences)
    return found.order_by().values_list("sequence")


def _sum_of(kind: str) -> Coalesce:
    return Coalesce(Sum("events__value", filter=Q(events__type=kind)), 0)
