"""Adds finished participations to the study's tally, once each.

The counts of places and ratings would otherwise grow slower with every participation. A finished
participation changes only by a withdrawal, which takes it out again. Callers hold the lock on the
study's row, so that nobody counts in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from studyapp.models import Participation, Study, Tally
from studyapp.participation.selectors import places as selectors

FEWEST = 50
"""So many finished participations are added at a time: counting fewer costs less than writing."""


def add_finished(study: Study, now: datetime, *, simulated: bool) -> None:
    """Add the finished participations that are not part of the tally yet, if there are enough."""
    found = selectors.finished_and_not_tallied(study, simulated=simulated)
    if len(found) >= FEWEST:
        tally = selectors.tally_of(study, simulated=simulated)
        _change(tally, found, now, by=1)
        Participation.objects.filter(pk__in=found).update(tallied=True)


def take_out(participation: Participation, now: datetime) -> None:
    """Count a finished participation by itself again, before it changes."""
    if not participation.tallied:
        return
    tally = selectors.tally_of(participation.study, simulated=participation.simulated)
    _change(tally, [participation.pk], now, by=-1)
    participation.tallied = False
    participation.save(update_fields=["tallied"])


def _change(tally: Tally, participations: Sequence[int], now: datetime, *, by: int) -> None:
    rows = Participation.objects.filter(pk__in=participations).order_by()
    complete = rows.filter(status=Participation.Status.COMPLETE)
    for method in complete.values_list("condition__method", flat=True):
        tally.places += by
        if method is not None:
            tally.by_method[method] = tally.by_method.get(method, 0) + by
    for item, held, lost in selectors.ratings_of(rows, now):
        known = tally.ratings.get(item, (0, 0))
        tally.ratings[item] = [known[0] + by * held, known[1] + by * lost]
    tally.save()
