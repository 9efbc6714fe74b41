"""Changes of how an open study runs that its frozen design did not foresee, each recorded.

The design itself stays what was frozen, and so does its hash. `study.json` lists the deviations,
and the report names each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F

from studyapp.core import audit, clock
from studyapp.core.errors import StudyError
from studyapp.models import Condition, Deviation, Study
from studyapp.participation.selectors import places
from studyapp.studies.services import frames

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    Person = User | AnonymousUser

MOST_PLACES = 10_000
"""The most places that are added at once."""
LONGEST_REASON = 500


def switch_off(*, study: Study, method: str, reason: str, user: Person) -> Deviation:
    """Give the condition no new participants; those who began in it may finish.

    Raises `StudyError` without a reason, unless the study is open or paused, if the condition is
    off, and if those that stay on cannot fill a participation.
    """
    with transaction.atomic():
        locked = _locked(study)
        condition = _condition(locked, method)
        staying = locked.conditions.filter(off_at=None).exclude(pk=condition.pk)
        if condition.off_at is not None:
            raise StudyError(f"{method} is off already")
        if not staying.exists():
            raise StudyError(f"{method} is the only condition that is on: pause the study instead")
        frames.check_draw(locked, set(staying.values_list("method", flat=True)))
        now = clock.now()
        held = places.places_by_method(study=locked, now=now, simulated=locked.rehearsal)
        condition.off_at, condition.places_kept = now, held[method]
        condition.save(update_fields=["off_at", "places_kept"])
        return _record(locked, Deviation.Kind.CONDITION_OFF, reason, user, condition=condition)


def switch_on(*, study: Study, method: str, reason: str, user: Person) -> Deviation:
    """Give the condition participants again. Raises `StudyError` like `switch_off`."""
    with transaction.atomic():
        locked = _locked(study)
        condition = _condition(locked, method)
        if condition.off_at is None:
            raise StudyError(f"{method} is on already")
        condition.off_at, condition.places_kept = None, 0
        condition.save(update_fields=["off_at", "places_kept"])
        return _record(locked, Deviation.Kind.CONDITION_ON, reason, user, condition=condition)


def add_places(*, study: Study, count: int, reason: str, user: Person) -> Deviation:
    """Add places: between participants to each condition that is on, within participants in all.

    Raises `StudyError` without a reason, unless the study is open or paused, and for a count that
    is out of range.
    """
    if not 1 <= count <= MOST_PLACES:
        raise StudyError(f"{count} places: it must be from 1 to {MOST_PLACES}")
    with transaction.atomic():
        locked = _locked(study)
        Study.objects.filter(pk=study.pk).update(added_places=F("added_places") + count)
        return _record(locked, Deviation.Kind.PLACES_ADDED, reason, user, places=count)


def _locked(study: Study) -> Study:
    """The study, locked as arrivals lock it, so that no place is given meanwhile."""
    locked = Study.objects.select_for_update(no_key=True).get(pk=study.pk)
    if locked.state not in Study.UNDER_WAY:
        raise StudyError(
            f"{study} is {locked.state}: only a study that is open or paused can deviate"
        )
    return locked


def _condition(study: Study, method: str) -> Condition:
    found = study.conditions.filter(method=method).first()
    if found is None:
        raise StudyError(f"{study} has no condition {method[:60]!r}")
    return found


def _record(
    study: Study,
    kind: Deviation.Kind,
    reason: str,
    user: Person,
    *,
    condition: Condition | None = None,
    places: int | None = None,
) -> Deviation:
    given = " ".join(reason.split())[:LONGEST_REASON]
    if not given:
        raise StudyError("give a reason: it is recorded, exported and stands in the report")
    made = Deviation.objects.create(
        study=study, kind=kind, condition=condition, places=places, reason=given,
        who=user.get_username(),
    )  # fmt: skip
    detail = {"condition": condition.method} if condition else {"places": places}
    audit.note(
        user=user, action=kind.label[:40], target=study, project=study.project, reason=given,
        **detail,
    )  # fmt: skip
    return made
