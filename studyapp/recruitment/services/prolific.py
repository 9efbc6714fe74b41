"""Prolific: handles its messages once each, and compares its list of submissions with ours.

A message (webhook) says that a submission was returned or timed out; its place is then free at
once. Messages can be lost, so `reconcile` reads the list of submissions and catches up. Both name a
participant and a submission, which are the link's PROLIFIC_PID and SESSION_ID; only keyed hashes of
them are stored. Source: docs.prolific.com, API reference v1, "Webhooks" (signature) and
"Submissions".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from studyapp.core.errors import RecruitmentError
from studyapp.models import Delivery, Participation, Recruitment, Study
from studyapp.recruitment import selectors
from studyapp.recruitment.services import entry, prolific_acts, prolific_api
from studyapp.recruitment.services.identities import external_key

STATUSES = {
    "RETURNED": Participation.Status.RETURNED,
    "TIMED OUT": Participation.Status.TIMED_OUT,
}
"""Prolific's status of a submission, in one spelling → ours. Any other changes nothing."""
SUBMISSION_EVENT = "submission.status.change"
MAX_AGE_SECONDS = 300
"""Messages older than this, or as far in the future, are refused as possible replays."""
MAX_BYTES = 65_536


class SignatureError(RecruitmentError):
    """A message does not come from the service, or this cannot be verified."""


@dataclass(frozen=True)
class Reconciled:
    """The outcome of a comparison."""

    submissions: int
    """Number in the service's list."""
    unknown: int
    """Number of them that never came here."""
    reclaimed: dict[str, int]
    """Status → number of participations that were ended by this comparison."""
    strangers: list[Participation]
    """Participations that the service does not know."""


def check_signature(*, body: bytes, timestamp: str, signature: str) -> None:
    """Raise `SignatureError` unless timestamp and body carry the secret's HMAC-SHA256, base64."""
    secret = settings.PROLIFIC_WEBHOOK_SECRET
    if not secret:
        raise SignatureError("PROLIFIC_WEBHOOK_SECRET is not set, so messages cannot be verified")
    if not timestamp.isdecimal() or len(timestamp) > 20:
        raise SignatureError("the message has no timestamp")
    if abs(timezone.now().timestamp() - int(timestamp)) > MAX_AGE_SECONDS:
        raise SignatureError("the message's timestamp is too old or in the future")
    digest = hmac.new(secret.encode(), timestamp.encode() + body, hashlib.sha256).digest()
    if not hmac.compare_digest(base64.b64encode(digest), signature.encode()):
        raise SignatureError("the message's signature is wrong")


def handle_message(*, body: bytes) -> str:
    """Handle a message whose signature was checked, and return the outcome. Repetitions do nothing.

    Messages are identified by their signed body; the header X-Event-ID is not signed.

    Raises `RecruitmentError` if the body is not a JSON object.
    """
    message = _parsed(body)
    name = hashlib.sha256(body).hexdigest()
    kind = str(message.get("event_type", ""))[:60]
    try:
        with transaction.atomic():
            delivery = Delivery.objects.create(
                service=Recruitment.Service.PROLIFIC, event=name, type=kind, outcome="taken"
            )
            delivery.outcome = _act(kind, message)
            delivery.save(update_fields=["outcome"])
    except IntegrityError:
        return "taken before"
    return delivery.outcome


def reconcile(*, study: Study) -> Reconciled:
    """Compare the service's list of submissions with ours, and end those that were given up there.

    Participations are marked as known to the service or not; exports flag those that are not.

    Raises `RecruitmentError` if the study has no study at Prolific, a setting is missing, or the
    service does not answer as expected.
    """
    row = selectors.of_study(study)
    if row.service != Recruitment.Service.PROLIFIC or not row.external_study:
        raise RecruitmentError(f"{study} has no study at Prolific")
    before = timezone.now()
    statuses = {
        external_key(pid=str(one["participant_id"]), session=str(one["id"])): one
        for one in prolific_api.submissions(row.external_study)
    }
    known = selectors.by_external_keys(study, set(statuses))
    reclaimed: Counter[str] = Counter()
    for key, participation in known.items():
        status = STATUSES.get(prolific_acts.status_of(statuses[key]))
        if status and entry.reclaim(participation=participation, status=status):
            reclaimed[status] += 1
    strangers = _mark(study, set(statuses), before)
    Recruitment.objects.filter(pk=row.pk).update(reconciled_at=timezone.now())
    return Reconciled(len(statuses), len(statuses) - len(known), dict(reclaimed), strangers)


def _mark(study: Study, known: set[str], before: datetime) -> list[Participation]:
    """Mark each participation as listed or not, and return those that are not.

    A participation that began while the list was read may be missing and is skipped this time.
    """
    kinds = Participation.Submission
    strangers = []
    for one in selectors.by_service(study):
        is_known = one.external_key in known
        if not is_known and one.created_at >= before:
            continue
        if not is_known:
            strangers.append(one)
        kind = kinds.VERIFIED if is_known else kinds.UNKNOWN
        if one.submission != kind:
            Participation.objects.filter(pk=one.pk).update(submission=kind)
    return strangers


def _act(kind: str, message: dict[str, Any]) -> str:
    if kind != SUBMISSION_EVENT:
        return "not about a submission"
    status = STATUSES.get(prolific_acts.status_of({"status": "", **message}))
    if status is None:
        return "nothing to do"
    pid, session = str(message.get("participant_id", "")), str(message.get("resource_id", ""))
    found = selectors.anywhere_by_external_key(
        service=Recruitment.Service.PROLIFIC, key=external_key(pid=pid, session=session)
    )
    if not found:
        return "no such participation"
    ended = [entry.reclaim(participation=one, status=status) for one in found]
    return status if any(ended) else "had already ended"


def _parsed(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_BYTES:
        raise RecruitmentError(f"the message has {len(body)} bytes, over the limit of {MAX_BYTES}")
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RecruitmentError("the message is not JSON") from error
    if not isinstance(message, dict):
        raise RecruitmentError("the message is not a JSON object")
    return message
