"""Reads for the events of participants' pages: what is stored of a trial so far."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, Sum
from django.db.models.functions import Coalesce

from studyapp.models import Event, Participation


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


OF_STUDY = ("state", "watch_machines", "option_policy")
"""What of the study decides which events are taken."""


def locked(pk: int) -> Participation | None:
    """The participation with its status and its study's state, its row locked until the commit.

    None if it has gone meanwhile, as that of a preview does.
    """
    found = Participation.objects.select_for_update(of=("self",), no_key=True)
    return (
        found.select_related("study")
        .only(
            "status", "simulated", "study__state", "study__watch_machines", "study__option_policy"
        )
        .filter(pk=pk)
        .first()
    )


def trial_events(participation: Participation, tokens: Collection[str]) -> dict[str, TrialEvents]:
    """Token → totals, for those tokens that name trials shown to this participation."""
    shown = participation.trials.filter(token__in=tokens, shown_at__isnull=False).order_by()
    rows = shown.annotate(
        stored=Count("events"),
        heard_ms=_sum_of(Event.Type.HEARD),
        hidden_ms=_sum_of(Event.Type.VISIBLE),
    ).values_list(
        "pk", "token", "shown_at", "response__answered_at", "stored", "heard_ms", "hidden_ms"
    )
    return {trial.token: trial for trial in (TrialEvents(*row) for row in rows)}


def known_sequences(participation: Participation, sequences: Collection[str]) -> set[str]:
    """Which of the sequences are stored already."""
    found = Event.objects.filter(participation=participation, sequence__in=sequences)
    return set(found.order_by().values_list("sequence", flat=True))


def _sum_of(kind: str) -> Coalesce:
    return Coalesce(Sum("events__value", filter=Q(events__type=kind)), 0)
