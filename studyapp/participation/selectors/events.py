"""Reads for the events of participants' pages: what there is of a trial so far."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, Sum
from django.db.models.functions import Coalesce

from studyapp.models import Event, Participation


@dataclass(frozen=True)
class Watched:
    """A trial that was shown, with what its events add up to."""

    pk: int
    token: str
    shown_at: datetime | None
    answered_at: datetime | None
    stored: int
    """Events."""
    heard_ms: int
    hidden_ms: int


def locked(pk: int) -> Participation:
    """The participation with its status and its study's state; its row is locked to the commit."""
    found = Participation.objects.select_for_update(of=("self",), no_key=True)
    return found.select_related("study").only("status", "simulated", "study__state").get(pk=pk)


def watched(participation: Participation, tokens: Collection[str]) -> dict[str, Watched]:
    """Token → trial, for the participation's own trials among them that were shown."""
    shown = participation.trials.filter(token__in=tokens, shown_at__isnull=False).order_by()
    rows = shown.annotate(
        stored=Count("events"),
        heard_ms=_sum_of(Event.Type.HEARD),
        hidden_ms=_sum_of(Event.Type.VISIBLE),
    ).values_list(
        "pk", "token", "shown_at", "response__answered_at", "stored", "heard_ms", "hidden_ms"
    )
    return {trial.token: trial for trial in (Watched(*row) for row in rows)}


def known_sequences(participation: Participation, sequences: Collection[str]) -> set[str]:
    """Those of the sequences that are stored already."""
    found = Event.objects.filter(participation=participation, sequence__in=sequences)
    return set(found.order_by().values_list("sequence", flat=True))


def _sum_of(kind: str) -> Coalesce:
    return Coalesce(Sum("events__value", filter=Q(events__type=kind)), 0)
