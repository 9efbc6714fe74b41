"""Actions at the recruiting service: each is stored before it is sent, and is done at most once.

intended ─ a person confirms its cost ─► sent ─► confirmed, or refused
   ▲                                       │
   └── the service says: not done ─────────┘ (interrupted: nobody knows, so the service is read)

A process that dies between any two of these steps leaves a row that says how far it came. Only one
process can turn a row from intended into sent, so nothing is sent twice by two clicks. What was
sent and not confirmed is never sent again before the service was read and the time has passed in
which it could still be done; then a person is asked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction

from studyapp.core import audit, clock, permissions
from studyapp.core.errors import RecruitmentError, StudyError
from studyapp.models import RecruitmentAction, Study
from studyapp.recruitment import selectors
from studyapp.recruitment.services.prolific_acts import ACTS, targets_of
from studyapp.recruitment.services.prolific_http import UncertainError

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    Person = User | AnonymousUser | None

State = RecruitmentAction.State
MOST_WORDS = 400
MOST_NAMED = 3
"""So many unresolved steps are named where another one is refused."""


def check_allowed(*, study: Study, user: Person) -> None:
    """Raise `StudyError` unless the user may use the site's account at the recruiting service."""
    if not permissions.may_recruit(user, study.project):
        raise StudyError(
            "this project may not use the site's account at Prolific: an administrator can allow it"
        )


def intend(*, action: RecruitmentAction) -> RecruitmentAction:
    """Store an action that a person is then asked to confirm; nothing is sent.

    Raises `StudyError` if an earlier action on the same submission, or on the study, is unresolved.
    """
    try:
        with transaction.atomic(durable=True):
            _check_free(action)
            action.save(force_insert=True)
    except IntegrityError as error:
        same = selectors.unresolved(action.study)
        raise StudyError(
            _unresolved([one for one in same if one.target == action.target])
        ) from error
    return action


def _check_free(action: RecruitmentAction) -> None:
    """Raise `StudyError` if one of the action's submissions has an unresolved step already.

    The study's row is locked, so that two people cannot ask for the same at once.
    """
    Study.objects.select_for_update(no_key=True).get(pk=action.study_id)
    mine = set(targets_of(action))
    others = selectors.unresolved(action.study)
    if same := [one for one in others if mine & set(targets_of(one))]:
        raise StudyError(_unresolved(same))


def _unresolved(steps: Sequence[RecruitmentAction]) -> str:
    """Why nothing else is asked for yet: names the steps, each with what can be done about it."""
    said = [f"{one.label}, {one.get_state_display()}" for one in steps[:MOST_NAMED]]
    more = f"; and {len(steps) - MOST_NAMED} more" if len(steps) > MOST_NAMED else ""
    return (
        f"an earlier step is not resolved ({'; '.join(said)}{more}): confirm it, drop it, or ask "
        "Prolific whether it was done"
    )


def carry_out(*, action: RecruitmentAction, user: Person) -> RecruitmentAction:
    """Send an intended action, once.

    Raises `StudyError` if it was sent or dropped before, and `RecruitmentError` if Prolific refuses
    it (it is then over) or if nobody knows whether it was done (it then stays sent).
    """
    check_allowed(study=action.study, user=user)
    act = ACTS[action.kind]
    if action.state == State.INTENDED:
        if action.sent_at is not None and act.is_done(action):
            return _confirm(action, action.reference)
        if action.sent_at is None:
            act.prepare(action)
        _check_cost(action)
    with transaction.atomic(durable=True):
        own = RecruitmentAction.objects.filter(
            pk=action.pk, state=State.INTENDED, sent_at=action.sent_at
        )
        changed = {"sent_at": clock.now(), "content": action.content, "outcome": ""}
        if not own.update(state=State.SENT, **changed):
            raise StudyError("this step was sent or dropped before: nothing was sent now")
        _note(action, user, f"prolific: {action.kind}")
    return _send(action)


def _check_cost(action: RecruitmentAction) -> None:
    """What is spent must be what is confirmed: the study can be changed at Prolific meanwhile."""
    cost = ACTS[action.kind].cost
    if cost is not None and (now := cost(action)) != action.cost:
        raise RecruitmentError(f"it costs {now} now, not {action.cost}: drop this, and ask again")


def _send(action: RecruitmentAction) -> RecruitmentAction:
    try:
        reference = ACTS[action.kind].send(action)
    except UncertainError as error:
        RecruitmentAction.objects.filter(pk=action.pk).update(outcome=str(error)[:MOST_WORDS])
        raise
    except RecruitmentError as error:
        # Refused, or not even sent: nothing was done.
        _end(action, State.REFUSED, outcome=str(error)[:MOST_WORDS])
        raise
    except (KeyError, TypeError) as error:
        said = f"Prolific's answer lacks {error}; what it did is not known"
        RecruitmentAction.objects.filter(pk=action.pk).update(outcome=said[:MOST_WORDS])
        raise UncertainError(said) from error
    return _confirm(action, reference)


def _confirm(action: RecruitmentAction, reference: str) -> RecruitmentAction:
    with transaction.atomic(durable=True):
        ACTS[action.kind].store(action, reference)
        _end(
            action, State.CONFIRMED, reference=reference or action.reference,
            content=action.content,
        )  # fmt: skip
    return action


def _end(action: RecruitmentAction, state: str, **fields: Any) -> None:
    RecruitmentAction.objects.filter(pk=action.pk).update(
        state=state, ended_at=clock.now(), **fields
    )
    action.refresh_from_db()


def settle(*, action: RecruitmentAction) -> RecruitmentAction:
    """Read from Prolific whether a sent action was done, and store it; nothing is sent.

    If it was not done and cannot be under way any more, it is intended again: a person decides.
    """
    if action.state != State.SENT or action.sent_at is None:
        return action
    act = ACTS[action.kind]
    if act.is_done(action):
        return _confirm(action, action.reference)
    if clock.now() - action.sent_at > act.patience:
        own = RecruitmentAction.objects.filter(
            pk=action.pk, state=State.SENT, sent_at=action.sent_at
        )
        cost = action.cost if act.cost is None else act.cost(action)
        own.update(state=State.INTENDED, cost=cost, outcome=act.not_done)
    action.refresh_from_db()
    return action


def settle_all(*, study: Study) -> list[RecruitmentAction]:
    """Settle what was sent for the study, and return what is still unresolved."""
    open_ones = RecruitmentAction.objects.filter(study=study, state=State.SENT)
    for action in open_ones.select_related("study"):
        settle(action=action)
    unresolved = RecruitmentAction.objects.filter(
        study=study, state__in=RecruitmentAction.UNRESOLVED
    )
    return list(unresolved.select_related("study"))


def drop(*, action: RecruitmentAction, user: Person) -> None:
    """Give up an intended action. Raises `StudyError` if it was sent."""
    with transaction.atomic():
        own = RecruitmentAction.objects.filter(pk=action.pk, state=State.INTENDED)
        if not own.update(state=State.DROPPED, ended_at=clock.now()):
            raise StudyError("this step was sent before, so it cannot be dropped")
        _note(action, user, f"prolific: dropped {action.kind}")


def _note(action: RecruitmentAction, user: Person, what: str) -> None:
    audit.note(
        user=user, action=what, target=action.study, project=action.study.project,
        key=str(action.key), cost=action.cost or "nothing",
    )  # fmt: skip
