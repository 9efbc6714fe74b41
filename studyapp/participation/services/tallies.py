"""Keeps the study's tally: how many places are held, and how many ratings each item has.

Every new participant's draw depends on these counts, and counting everyone each time would take
longer with every participation. So each is counted when it gets its place, and again only when it
loses the place or gets it back: `counted_as_held` says how the tally counts it now. Callers hold
the lock on the study's row, so that nobody counts in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from studyapp.models import Participation, Study
from studyapp.participation.selectors import places as selectors

FEWEST = 50
"""So many finished participations are set aside at a time: looking at fewer costs less than
writing."""


def bring_up_to_date(study: Study, now: datetime, *, simulated: bool) -> list[selectors.Change]:
    """Count what has changed since the last time, and set aside those that have ended.

    Returns the changes of those whose row somebody else is changing at this moment. They are
    counted the next time: waiting could last, or for ever if they wait for us.
    """
    changes = selectors.changes(study, now, simulated=simulated)
    busy: list[selectors.Change] = []
    for start in range(0, len(changes), selectors.MOST):
        busy += _count(study, changes[start : start + selectors.MOST], simulated=simulated)
    ended = selectors.finished_and_not_tallied(study, simulated=simulated)
    if len(ended) >= FEWEST:
        found = Participation.objects.filter(pk__in=ended, counted_as_held__isnull=False)
        found.update(tallied=True)
    return busy


def add(participation: Participation, items: Iterable[str]) -> None:
    """Count a participation that is given a place in this transaction, with its main items.

    Its row is saved by the caller.
    """
    tally = selectors.tally_of(participation.study, simulated=participation.simulated)
    selectors.correct_places(tally, [_change(participation, None, now=True)])
    for item in items:
        selectors.rate(tally, item, True, by=1)
    tally.save()
    participation.counted_as_held = True


def take_out(participation: Participation) -> None:
    """Count a participation no more, before its trials are erased.

    Its row is saved by the caller.
    """
    was_held = participation.counted_as_held
    if was_held is None:
        return
    tally = selectors.tally_of(participation.study, simulated=participation.simulated)
    selectors.correct_places(tally, [_change(participation, was_held, now=False)])
    for _, item in selectors.main_trials([participation.pk]):
        selectors.rate(tally, item, was_held, by=-1)
    tally.save()
    participation.tallied, participation.counted_as_held = False, None


def _change(participation: Participation, before: bool | None, *, now: bool) -> selectors.Change:
    method = participation.condition.method if participation.condition else None
    return selectors.Change(participation.pk, before, now, method)


def _count(
    study: Study, changes: Sequence[selectors.Change], *, simulated: bool
) -> list[selectors.Change]:
    """Count these changes. Returns those whose row is locked."""
    rows = Participation.objects.filter(pk__in=[one.pk for one in changes]).order_by()
    free = set(rows.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True))
    mine = [one for one in changes if one.pk in free]
    tally = selectors.tally_of(study, simulated=simulated)
    selectors.correct_places(tally, mine)
    selectors.correct_ratings(tally, mine)
    tally.save()
    for is_held in (True, False):
        pks = [one.pk for one in mine if one.now is is_held]
        Participation.objects.filter(pk__in=pks).update(counted_as_held=is_held)
    return [one for one in changes if one.pk not in free]
