"""Reads for participations: found by cookie or by link, locked, and the step that is next."""

from __future__ import annotations

from django.db.models import QuerySet

from studyapp.core.database.prepared import prepared
from studyapp.models import Participation, StepRecord, Study
from studyapp.models.steps import NEEDED, Step


def by_identifier(*, slug: str, identifier: str) -> Participation | None:
    """The participation of that pseudonym in any version of the study, with its study."""
    return next(iter(_by_identifier(slug, identifier)), None)


@prepared
def _by_identifier(slug: str, identifier: str) -> QuerySet[Participation]:
    return _with_study().filter(identifier=identifier, study__series__slug=slug).order_by()


def bare_by_identifier(*, slug: str, identifier: str) -> Participation | None:
    """The same participation with only its status: enough for events and for sounds of checks."""
    return next(iter(_bare_by_identifier(slug, identifier)), None)


@prepared
def _bare_by_identifier(slug: str, identifier: str) -> QuerySet[Participation]:
    found = Participation.objects.only("status")
    return found.filter(identifier=identifier, study__series__slug=slug).order_by()


def by_external_key(*, slug: str, key: str) -> Participation | None:
    """The newest participation with that keyed hash in any version of the study, with its study."""
    return next(iter(_by_external_key(slug, key)), None) if key else None


@prepared
def _by_external_key(slug: str, key: str) -> QuerySet[Participation]:
    found = _with_study().filter(external_key=key, study__series__slug=slug)
    # Without an empty key, as the index: SQLite finds it only so.
    return found.exclude(external_key="").order_by("-study__version")


def locked(pk: int) -> Participation:
    """The participation with its study; its row, not the study's, is locked until the commit."""
    found: list[Participation] = _locked(pk)
    if not found:
        raise Participation.DoesNotExist(f"there is no participation {pk}")
    return found[0]


@prepared
def _locked(pk: int) -> QuerySet[Participation]:
    return _with_study().select_for_update(of=("self",), no_key=True).filter(pk=pk).order_by()


def step_of(participation: Participation) -> Step:
    """The page that the participant is on, by the participation's row and its study's state."""
    if participation.status == Participation.Status.COMPLETE:
        return Step.THANKS
    closed = participation.study.state == Study.State.CLOSED
    if closed or participation.status != Participation.Status.ACTIVE:
        return Step.ENDED
    if participation.consented_at is None:
        is_open = participation.study.state == Study.State.OPEN
        return Step.CONSENT if is_open else Step.ENDED
    return _next_step(participation)


def steps_done(participation: Participation) -> set[str]:
    """Names of the steps that are recorded as done."""
    return {step for (step,) in _steps_done(participation.pk)}


@prepared
def _steps_done(participation: int) -> QuerySet[StepRecord, tuple[str]]:
    records = StepRecord.objects.filter(participation=participation, done_at__isnull=False)
    return records.order_by().values_list("step")


def _next_step(participation: Participation) -> Step:
    """The first step after consent that is not done; the trials are, once they have a record."""
    steps = participation.study.steps
    done = set() if list(steps) == list(NEEDED) else steps_done(participation)
    if participation.instructed_at is not None:
        done.add(Step.INSTRUCTIONS)
    left = [step for step in steps if step not in done | {Step.CONSENT}]
    return Step(left[0]) if left else Step.TRIAL


def _with_study() -> QuerySet[Participation]:
    # `draw` grows with the study, and only a replay reads it.
    return Participation.objects.select_related("study").defer("draw")
