"""What an editor asks of Prolific: checked, with its cost, and stored before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from studyapp.core.errors import RecruitmentError, StudyError
from studyapp.models import RecruitmentAction, Study
from studyapp.recruitment import selectors
from studyapp.recruitment.services import (
    actions,
    prolific_acts,
    prolific_http,
    prolific_people,
    prolific_study,
)
from studyapp.recruitment.services.prolific_acts import ACTS
from studyapp.recruitment.services.prolific_study import CENTS, Draft, money

if TYPE_CHECKING:
    from studyapp.recruitment.services.actions import Person

Kind = RecruitmentAction.Kind
REASON_CHARACTERS = 100
"""Prolific refuses a rejection with a shorter reason."""
CATEGORIES = {
    "TOO_QUICKLY": "Completed too quickly",
    "TOO_SLOWLY": "Completed too slowly",
    "FAILED_INSTRUCTIONS": "Did not follow the instructions",
    "FAILED_CHECK": "Failed attention checks",
    "LOW_EFFORT": "Little effort",
    "MALINGERING": "Gave false answers on purpose",
    "NO_CODE": "No completion code",
    "BAD_CODE": "Wrong completion code",
    "NO_DATA": "No data",
    "UNSUPP_DEVICE": "Unsupported device",
    "INCOMP_LONGITUDINAL": "Did not complete a study of several parts",
    "OTHER": "Other",
}
"""Prolific's categories of rejections."""
MOST_BONUS = Decimal(1000)
"""In the study's currency; more is taken for a slip of the finger, such as cents."""


def create(*, study: Study, draft: Draft, user: Person) -> RecruitmentAction:
    """Intend to create the study at Prolific, as a draft that costs nothing yet."""
    row = selectors.of_study(study)
    if study.state in (Study.State.DRAFT, Study.State.CLOSED):
        raise StudyError(f"{study} is {study.state}: only a frozen study is created at Prolific")
    if row.external_study:
        raise StudyError(f"{study} already has the study {row.external_study} at Prolific")
    key = uuid4()
    content = prolific_study.content_of(study, draft, str(key))
    cost = prolific_study.cost_of(content, row.currency)
    return _begin(study, Kind.CREATE, user, key=key, content=content, cost=cost)


def publish(*, study: Study, user: Person) -> RecruitmentAction:
    """Intend to publish the study: Prolific then holds the money and invites people."""
    actions.check_allowed(study=study, user=user)
    found = prolific_study.read(prolific_study.of_study(study))
    if study.state != Study.State.OPEN:
        raise StudyError(f"{study} is {study.state}: open it first, or people meet a closed door")
    told = selectors.of_study(study).currency
    if told and found.currency and told != found.currency:
        raise StudyError(
            f"participants are told a payment in {told}, but Prolific pays in {found.currency}: "
            "change it in the settings"
        )
    payment = selectors.of_study(study).payment
    if payment is not None and int(payment * CENTS) != found.reward:
        raise StudyError(
            f"participants are told a payment of {payment:.2f}, but Prolific pays "
            f"{money(found.reward, found.currency)}: change it in the settings, or there"
        )
    return _begin(study, Kind.PUBLISH, user, cost=found.cost)


def turn(*, study: Study, kind: str, user: Person) -> RecruitmentAction:
    """Pause or resume the study at Prolific, at once: that costs nothing."""
    if kind not in (Kind.PAUSE, Kind.RESUME):
        raise StudyError(f"{kind[:20]!r} is neither pause nor resume")
    return _begin(study, kind, user)


def add_places(*, study: Study, more: int, user: Person) -> RecruitmentAction:
    """Intend to add places: at Prolific they can grow, but not shrink."""
    if not 1 <= more <= 10_000:
        raise StudyError(f"the number of places to add is {more}; it must be from 1 to 10000")
    actions.check_allowed(study=study, user=user)
    found = prolific_study.read(prolific_study.of_study(study))
    content = {"more": more, "total_available_places": found.places + more}
    return _begin(study, Kind.PLACES, user, content=content, cost=found.cost_of_places(more))


def approve(*, study: Study, targets: Sequence[str], user: Person) -> RecruitmentAction:
    """Intend to approve submissions, which pays them."""
    targets = list(dict.fromkeys(targets))  # A target given twice is paid once, and costs once.
    if not targets:
        raise StudyError("no submission was chosen")
    actions.check_allowed(study=study, user=user)
    for one in prolific_acts.submissions_of(study, targets):
        if prolific_acts.status_of(one) != "AWAITING REVIEW":
            raise StudyError(
                f"a submission is {prolific_acts.status_of(one)} at Prolific: only those that "
                "await review can be approved"
            )
    found = prolific_study.read(prolific_study.of_study(study))
    cost = f"{found.cost_of_places(len(targets))}, of the money that Prolific holds"
    target = targets[0] if len(targets) == 1 else ""
    content = {"targets": targets}
    return _begin(study, Kind.APPROVE, user, target=target, content=content, cost=cost)


def reject(
    *, study: Study, targets: Sequence[str], category: str, reason: str, user: Person
) -> RecruitmentAction:
    """Intend to reject submissions, which are not paid; this cannot be undone."""
    if category not in CATEGORIES:
        raise StudyError(f"the category is {category[:40]!r}: choose one of the list")
    if len(reason.strip()) < REASON_CHARACTERS:
        raise StudyError(
            f"the reason has {len(reason.strip())} characters; Prolific wants at least "
            f"{REASON_CHARACTERS}, which the participant reads"
        )
    content = {"rejection_category": category, "message": reason.strip()[:2000]}
    return _begin_for(study, Kind.REJECT, user, targets, content)


def ask_for_return(
    *, study: Study, targets: Sequence[str], reason: str, user: Person
) -> RecruitmentAction:
    """Intend to ask participants to return their submissions, which are then not paid."""
    if not reason.strip():
        raise StudyError("give a reason, which the participant reads")
    content = {"reason": reason.strip()[:500]}
    return _begin_for(study, Kind.RETURN, user, targets, content)


def write(*, study: Study, targets: Sequence[str], body: str, user: Person) -> RecruitmentAction:
    """Intend to send participants a message through Prolific."""
    if not body.strip():
        raise StudyError("the message has no words")
    content = {"body": body.strip()[:2000]}
    return _begin_for(study, Kind.MESSAGE, user, targets, content)


def group(*, study: Study, name: str, user: Person) -> RecruitmentAction:
    """Put everyone who took part into a participant group at Prolific, at once: it costs nothing.

    Studies there can keep the group out, or invite only its people.
    """
    name = " ".join(name.split())[:100]
    if not name:
        raise StudyError("give the group a name")
    actions.check_allowed(study=study, user=user)
    targets = prolific_people.took_part(study)
    if not targets:
        raise StudyError("nobody from Prolific has taken part yet")
    return _begin(study, Kind.GROUP, user, content={"name": name, "targets": targets})


def make_tester(*, study: Study, email: str, user: Person) -> RecruitmentAction:
    """Make a test participant at Prolific, at once: it costs nothing."""
    try:
        validate_email(email)
    except ValidationError:
        raise StudyError(f"{email[:80]!r} is not a mail address") from None
    return _begin(study, Kind.TESTER, user, content={"email": email})


def test(*, study: Study, user: Person) -> RecruitmentAction:
    """Make a test study at Prolific, at once: it costs nothing, and no passage of it counts."""
    if study.state not in (Study.State.FROZEN, *Study.UNDER_WAY):
        raise StudyError(f"{study} is {study.state}: only a frozen study is tried at Prolific")
    actions.check_allowed(study=study, user=user)
    found = prolific_study.read(prolific_study.of_study(study))
    if found.status != "UNPUBLISHED":
        raise StudyError(
            f"the study is {found.status.lower()} at Prolific, which makes test studies of drafts "
            "only: use the preview here instead"
        )
    return _begin(study, Kind.TEST, user)


def pay_bonus(
    *, study: Study, targets: Sequence[str], amount: Decimal, user: Person
) -> RecruitmentAction:
    """Intend to pay each a bonus of that amount.

    It is set up at Prolific, which says the cost and pays nothing yet.
    """
    if not 0 < amount <= MOST_BONUS or amount != amount.quantize(Decimal("0.01")):
        raise StudyError(f"the bonus is {amount}; give an amount up to {MOST_BONUS}, such as 1.50")
    if not targets:
        raise StudyError("no submission was chosen")
    actions.check_allowed(study=study, user=user)
    external_study = prolific_study.of_study(study)
    paid = prolific_acts.submissions_of(study, targets)
    lines = [f"{submission['id']},{amount:.2f}" for submission in paid]
    currency = prolific_study.read(external_study).currency
    answer = prolific_http.send(
        "POST", "submissions/bonus-payments/",
        {"study_id": external_study, "csv_bonuses": "\n".join(lines)},
    )  # fmt: skip
    try:
        reference, total = str(answer["id"]), round(answer["total_amount"])
    except (KeyError, TypeError) as error:
        raise RecruitmentError(f"Prolific's answer lacks {error}; nothing was paid") from error
    content = {"amount": f"{amount:.2f}", "cents": int(amount * CENTS)}
    return _begin_for(
        study, Kind.BONUS, user, targets, content, reference=reference,
        cost=money(total, currency),
    )  # fmt: skip


def _begin_for(
    study: Study,
    kind: str,
    user: Person,
    targets: Sequence[str],
    content: dict[str, Any],
    **fields: Any,
) -> RecruitmentAction:
    """Store an action on one submission or several."""
    if not targets:
        raise StudyError("no submission was chosen")
    if len(targets) == 1:
        return _begin(study, kind, user, target=targets[0], content=content, **fields)
    content |= {"targets": list(dict.fromkeys(targets))}
    return _begin(study, kind, user, content=content, **fields)


def _begin(study: Study, kind: str, user: Person, **fields: Any) -> RecruitmentAction:
    """Store the action; what needs no confirmation is sent at once."""
    actions.check_allowed(study=study, user=user)
    known = user if user is not None and user.is_authenticated else None
    action = RecruitmentAction(study=study, kind=kind, by=known, **fields)
    actions.intend(action=action)
    if not ACTS[kind].asks:
        actions.carry_out(action=action, user=user)
    return action
