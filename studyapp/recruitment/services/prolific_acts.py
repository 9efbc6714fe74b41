"""What each kind of action asks of Prolific, and how one reads there whether it was done.

Prolific ignores a second approval, and places and states are what they are however often they are
asked for; but paying a bonus twice pays twice, and creating a study twice makes two.
Source: docs.prolific.com, API reference v1, "Studies", "Submissions", "Bonuses".
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from studyapp.core.errors import RecruitmentError
from studyapp.models import Recruitment, RecruitmentAction, Study
from studyapp.recruitment import selectors
from studyapp.recruitment.services import (
    prolific_api,
    prolific_groups,
    prolific_http,
    prolific_study,
    prolific_tests,
)
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
    """Before it is sent first, notes what `is_done` compares with."""
    store: Callable[[RecruitmentAction, str], None] = lambda *_: None
    """In the transaction that confirms it, keeps the identifier of what was created."""
    not_done: str = "Prolific says that it was not done"
    """What a person is told before an interrupted step is sent again."""
    cost: Callable[[RecruitmentAction], str] | None = None
    """What it costs now, if that can change before it is sent: then it must be what is confirmed,
    and it is read again when a step that was interrupted waits for a person again."""


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


def _cost_of_publishing(action: RecruitmentAction) -> str:
    return prolific_study.read(prolific_study.of_study(action.study)).cost


def _add_places(action: RecruitmentAction) -> str:
    """The whole number is sent, not how many more, so that sending it twice adds nothing."""
    path = f"studies/{prolific_study.of_study(action.study)}/"
    content = {"total_available_places": action.content["total_available_places"]}
    prolific_http.send("PATCH", path, content)
    return ""


def _has_places(action: RecruitmentAction) -> bool:
    found = prolific_study.read(prolific_study.of_study(action.study))
    return found.places >= int(action.content["total_available_places"])


def targets_of(action: RecruitmentAction) -> list[str]:
    """Return the keyed hashes of the submissions that the action is about; none for a study's."""
    return list(action.content.get("targets") or filter(None, [action.target]))


def submissions_of(study: Study, targets: Sequence[str]) -> list[dict[str, Any]]:
    """Return the submissions with these keyed hashes. Raises `RecruitmentError` if one is gone."""
    wanted = set(targets)
    listed = prolific_api.submissions(prolific_study.of_study(study))
    found = [one for one in listed if _target(one) in wanted]
    if not found or len(found) < len(wanted):
        raise RecruitmentError("Prolific's list does not have this submission")
    return found


def _target(submission: dict[str, Any]) -> str:
    """The keyed hash of a submission."""
    return external_key(pid=str(submission["participant_id"]), session=str(submission["id"]))


def _approve(action: RecruitmentAction) -> str:
    ids = [one["id"] for one in submissions_of(action.study, action.content["targets"])]
    prolific_http.send("POST", "submissions/bulk-approve/", {"submission_ids": ids})
    return ""


def _are_approved(action: RecruitmentAction) -> bool:
    found = submissions_of(action.study, action.content["targets"])
    return all(status_of(one) == "APPROVED" for one in found)


Submission = dict[str, Any]


def _for_each(
    ask: Callable[[RecruitmentAction, Submission], None],
    is_done: Callable[[RecruitmentAction, Submission], bool],
) -> tuple[Callable[[RecruitmentAction], str], Callable[[RecruitmentAction], bool]]:
    """Return how Prolific is asked, one submission after another, and whether all are done.

    Where it was done before, nothing is sent: after an interruption only the rest is asked for.
    """

    def send(action: RecruitmentAction) -> str:
        found = submissions_of(action.study, targets_of(action))
        for done, one in enumerate(found):
            try:
                known = is_done(action, one)
            except RecruitmentError as error:
                raise prolific_http.UncertainError(
                    f"done for {done} of {len(found)}, then {error}"
                ) from error
            if not known:
                try:
                    ask(action, one)
                except prolific_http.UncertainError:
                    raise
                except RecruitmentError as error:
                    if not done:
                        raise
                    said = f"done for {done} of {len(found)}, then: {error}"
                    raise RecruitmentError(said) from error
        return ""

    def are_done(action: RecruitmentAction) -> bool:
        found = submissions_of(action.study, targets_of(action))
        return all(is_done(action, one) for one in found)

    return send, are_done


def _reject(action: RecruitmentAction, submission: Submission) -> None:
    given = {name: action.content[name] for name in ("rejection_category", "message")}
    path = f"submissions/{submission['id']}/transition/"
    prolific_http.send("POST", path, {"action": "REJECT", **given})


def _is_rejected(action: RecruitmentAction, submission: Submission) -> bool:
    return status_of(submission) == "REJECTED"


def status_of(submission: dict[str, Any]) -> str:
    """Return Prolific's status of a submission in one spelling: `AWAITING REVIEW`."""
    return str(submission["status"]).upper().replace("_", " ").replace("-", " ")


def _ask_back(action: RecruitmentAction, submission: Submission) -> None:
    path = f"submissions/{submission['id']}/request-return/"
    prolific_http.send("POST", path, {"request_return_reasons": [action.content["reason"]]})


def _was_asked_back(action: RecruitmentAction, submission: Submission) -> bool:
    return bool(submission.get("return_requested")) or status_of(submission) == "RETURNED"


def _write(action: RecruitmentAction, submission: Submission) -> None:
    study = prolific_study.of_study(action.study)
    content = {"recipient_id": submission["participant_id"], "study_id": study}
    prolific_http.send("POST", "messages/", content | {"body": action.content["body"]})


def _written(action: RecruitmentAction, submission: Submission) -> set[str]:
    """Prolific's identifiers of our messages to the person with the action's words.

    Prolific takes no key of ours for a message, and may store its text escaped.
    """
    person = str(submission["participant_id"])
    found = prolific_http.read("messages/", user_id=person).get("results") or ()
    ours = [one for one in found if one.get("sender_id") != person]
    words = _bare(action.content["body"])
    return {str(one["id"]) for one in ours if _bare(str(one.get("body"))) == words}


def _bare(text: str) -> str:
    return " ".join(html.unescape(text).split())


def _note_messages(action: RecruitmentAction) -> None:
    """Those with the same words that were there before: the same may be written again."""
    found = submissions_of(action.study, targets_of(action))
    action.content["written_before"] = {
        _target(one): sorted(_written(action, one)) for one in found
    }


def _was_written(action: RecruitmentAction, submission: Submission) -> bool:
    """Whether the person has a message with these words that was not there before it was sent."""
    before = action.content.get("written_before", {}).get(_target(submission), ())
    return bool(_written(action, submission) - {*before})


def _pay(action: RecruitmentAction) -> str:
    prolific_http.send("POST", f"bulk-bonus-payments/{action.reference}/pay/")
    return action.reference


def paid_so_often(submission: dict[str, Any], cents: int) -> int:
    """Return how many bonuses of exactly that amount Prolific has paid for the submission."""
    return [round(one) for one in submission.get("bonus_payments") or ()].count(cents)


def _payments(action: RecruitmentAction) -> dict[str, int]:
    """Target → how many bonuses of the action's amount Prolific lists for it."""
    listed = submissions_of(action.study, targets_of(action))
    found = {_target(one): prolific_http.read(f"submissions/{one['id']}/") for one in listed}
    cents = action.content["cents"]
    return {target: paid_so_often(one, cents) for target, one in found.items()}


def _note_payments(action: RecruitmentAction) -> None:
    """Those that Prolific lists, and those that it was asked for and may not list yet."""
    cents = action.content["cents"]
    action.content["paid_before"] = {
        target: max(n, selectors.bonuses_paid(action.study, target, cents))
        for target, n in _payments(action).items()
    }


def _was_paid(action: RecruitmentAction) -> bool:
    """Whether any has one payment of that amount more than before it was sent.

    All are paid by one request, so one of them tells for all; to ask again would pay it twice.
    """
    before = action.content["paid_before"]
    if not isinstance(before, dict):  # As it was stored when a bonus was for one submission only.
        before = {action.target: int(before)}
    return any(n > before[target] for target, n in _payments(action).items())


def _people(action: RecruitmentAction) -> list[str]:
    """Prolific's identifiers of the people whose submissions the action is about."""
    found = submissions_of(action.study, targets_of(action))
    return [str(one["participant_id"]) for one in found]


def _group(action: RecruitmentAction) -> str:
    return prolific_groups.put(action, _people(action))


def _are_grouped(action: RecruitmentAction) -> bool:
    return prolific_groups.has(action, _people(action))


def _store_study(action: RecruitmentAction, reference: str) -> None:
    Recruitment.objects.filter(study=action.study).update(external_study=reference)


UNTOLD = "Prolific does not tell whether it was done; if it was, doing it again costs nothing"
ACTS: dict[str, Act] = {
    Kind.CREATE: Act(_create, _was_created, store=_store_study),
    Kind.PUBLISH: Act(_turn("PUBLISH"), _has_status(PUBLISHED), cost=_cost_of_publishing),
    Kind.PAUSE: Act(_turn("PAUSE"), _has_status({"PAUSED"}), asks=False),
    Kind.RESUME: Act(_turn("START"), _has_status(RUNNING), asks=False),
    Kind.PLACES: Act(_add_places, _has_places),
    Kind.APPROVE: Act(_approve, _are_approved),
    Kind.REJECT: Act(*_for_each(_reject, _is_rejected)),
    Kind.RETURN: Act(*_for_each(_ask_back, _was_asked_back)),
    Kind.MESSAGE: Act(*_for_each(_write, _was_written), prepare=_note_messages),
    Kind.BONUS: Act(_pay, _was_paid, patience=PAYMENT_PATIENCE, prepare=_note_payments),
    Kind.GROUP: Act(_group, _are_grouped, asks=False, store=prolific_groups.store),
    Kind.TESTER: Act(
        prolific_tests.make_participant, prolific_tests.is_told, asks=False, not_done=UNTOLD
    ),
    Kind.TEST: Act(
        prolific_tests.make_study,
        prolific_tests.is_told,
        asks=False,
        not_done=UNTOLD,
        store=prolific_tests.store,
    ),
}
