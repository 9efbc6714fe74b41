"""What each kind of action asks of Prolific, and how one reads there whether it was done.

Prolific ignores a second approval, and places and states are what they are however often they are
asked for; but paying a bonus twice pays twice, and creating a study twice makes two.
Source: docs.prolific.com, API reference v1, "Studies", "Submissions", "Bonuses".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from studyapp.core.errors import RecruitmentError
from studyapp.models import RecruitmentAction, Study
from studyapp.recruitment import selectors
from studyapp.recruitment.services import prolific_api, prolific_http, prolific_study
from studyapp.recruitment.services.identities import external_key

Kind = RecruitmentAction.Kind
PUBLISHED = {"ACTIVE", "PUBLISHING", "SCHEDULED", "PAUSED", "AWAITING REVIEW", "COMPLETED"}
RUNNING = {"ACTIVE", "PUBLISHING"}
PATIENCE = timedelta(minutes=3)
"""How long a request can be under way; before, nobody asks whether it was done."""
PAYMENT_PATIENCE = timedelta(hours=1)
"""Prolific pays bonuses some minutes after it was asked."""


@dataclass(frozen=True)
class Act:
    """A kind of action."""

    send: Callable[[RecruitmentAction], str]
    """Asks Prolific, and returns the identifier of what was created, or ""."""
    is_done: Callable[[RecruitmentAction], bool]
    """Reads whether Prolific has done it."""
    asks: bool = True
    """Whether a person confirms it first: it costs money, or cannot be undone."""
    patience: timedelta = PATIENCE
    prepare: Callable[[RecruitmentAction], None] = lambda _: None
    """Before it is sent first, checks it once more, or notes what `is_done` compares with."""


def _create(action: RecruitmentAction) -> str:
    return str(prolific_http.send("POST", "studies/", action.content)["id"])


def _was_created(action: RecruitmentAction) -> bool:
    action.reference = prolific_study.created(action)
    return bool(action.reference)


def _turn(name: str) -> Callable[[RecruitmentAction], str]:
    def send(action: RecruitmentAction) -> str:
        path = f"studies/{prolific_study.of_study(action.study)}/transition/"
        prolific_http.send("POST", path, {"action": name})
        return ""

    return send


def _has_status(wanted: set[str]) -> Callable[[RecruitmentAction], bool]:
    def is_done(action: RecruitmentAction) -> bool:
        found = prolific_study.read(prolific_study.of_study(action.study))
        return found.status in wanted

    return is_done


def _add_places(action: RecruitmentAction) -> str:
    """The whole number is sent, not how many more, so that sending it twice adds nothing."""
    path = f"studies/{prolific_study.of_study(action.study)}/"
    content = {"total_available_places": action.content["total_available_places"]}
    prolific_http.send("PATCH", path, content)
    return ""


def _has_places(action: RecruitmentAction) -> bool:
    found = prolific_study.read(prolific_study.of_study(action.study))
    return found.places >= int(action.content["total_available_places"])


def _check_cost(action: RecruitmentAction) -> None:
    """What is spent must be what is confirmed: the study can be changed at Prolific meanwhile."""
    now = prolific_study.read(prolific_study.of_study(action.study)).cost
    if now != action.cost:
        raise RecruitmentError(f"it costs {now} now, not {action.cost}: drop this, and ask again")


def submission_of(action: RecruitmentAction) -> dict[str, Any]:
    """Return the submission that the action is about. Raises `RecruitmentError` if it is gone."""
    return submissions_of(action.study, [action.target])[0]


def submissions_of(study: Study, targets: Sequence[str]) -> list[dict[str, Any]]:
    """Return the submissions with these keyed hashes. Raises `RecruitmentError` if one is gone."""
    wanted = set(targets)
    found = [
        one
        for one in prolific_api.submissions(prolific_study.of_study(study))
        if external_key(pid=str(one["participant_id"]), session=str(one["id"])) in wanted
    ]
    if not found or len(found) < len(wanted):
        raise RecruitmentError("Prolific's list does not have this submission")
    return found


def _approve(action: RecruitmentAction) -> str:
    ids = [one["id"] for one in submissions_of(action.study, action.content["targets"])]
    prolific_http.send("POST", "submissions/bulk-approve/", {"submission_ids": ids})
    return ""


def _are_approved(action: RecruitmentAction) -> bool:
    found = submissions_of(action.study, action.content["targets"])
    return all(status_of(one) == "APPROVED" for one in found)


def _reject(action: RecruitmentAction) -> str:
    path = f"submissions/{submission_of(action)['id']}/transition/"
    prolific_http.send("POST", path, {"action": "REJECT", **action.content})
    return ""


def _is_rejected(action: RecruitmentAction) -> bool:
    return status_of(submission_of(action)) == "REJECTED"


def status_of(submission: dict[str, Any]) -> str:
    """Return Prolific's status of a submission in one spelling: `AWAITING REVIEW`."""
    return str(submission["status"]).upper().replace("_", " ").replace("-", " ")


def _ask_back(action: RecruitmentAction) -> str:
    path = f"submissions/{submission_of(action)['id']}/request-return/"
    prolific_http.send("POST", path, {"request_return_reasons": [action.content["reason"]]})
    return ""


def _was_asked_back(action: RecruitmentAction) -> bool:
    found = submission_of(action)
    return bool(found.get("return_requested")) or status_of(found) == "RETURNED"


def _pay(action: RecruitmentAction) -> str:
    prolific_http.send("POST", f"bulk-bonus-payments/{action.reference}/pay/")
    return action.reference


def paid_so_often(submission: dict[str, Any], cents: int) -> int:
    """Return how many bonuses of exactly that amount Prolific has paid for the submission."""
    return [round(one) for one in submission.get("bonus_payments") or ()].count(cents)


def _note_payments(action: RecruitmentAction) -> None:
    """Those that Prolific lists, and those that it was asked for and may not list yet."""
    cents = action.content["cents"]
    found = prolific_http.read(f"submissions/{submission_of(action)['id']}/")
    asked = selectors.bonuses_paid(action.study, action.target, cents)
    action.content["paid_before"] = max(paid_so_often(found, cents), asked)


def _was_paid(action: RecruitmentAction) -> bool:
    """Whether there is one payment of that amount more than before it was sent."""
    found = prolific_http.read(f"submissions/{submission_of(action)['id']}/")
    return paid_so_often(found, action.content["cents"]) > int(action.content["paid_before"])


ACTS: dict[str, Act] = {
    Kind.CREATE: Act(_create, _was_created),
    Kind.PUBLISH: Act(_turn("PUBLISH"), _has_status(PUBLISHED), prepare=_check_cost),
    Kind.PAUSE: Act(_turn("PAUSE"), _has_status({"PAUSED"}), asks=False),
    Kind.RESUME: Act(_turn("START"), _has_status(RUNNING), asks=False),
    Kind.PLACES: Act(_add_places, _has_places),
    Kind.APPROVE: Act(_approve, _are_approved),
    Kind.REJECT: Act(_reject, _is_rejected),
    Kind.RETURN: Act(_ask_back, _was_asked_back),
    Kind.BONUS: Act(_pay, _was_paid, patience=PAYMENT_PATIENCE, prepare=_note_payments),
}
