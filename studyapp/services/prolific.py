"""Prolific: its messages taken once, its list of submissions compared with ours.

A message (webhook) says that a submission was returned or timed out; its place is then free at
once. Messages get lost, so `reconcile` asks for the list and does the same for what was missed.
Nothing of Prolific is stored but keyed hashes: both ways name a participant and a submission, which
are the PROLIFIC_PID and the SESSION_ID of the link. Source: docs.prolific.com, API reference v1,
"Webhooks" (signature, X-Event-ID) and "Submissions".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from studyapp.errors import RecruitmentError
from studyapp.models import Delivery, Participation, Recruitment, Study
from studyapp.selectors import recruitment as selectors
from studyapp.services import recruitment
from studyapp.services.external import external_key

STATUSES = {
    "RETURNED": Participation.Status.RETURNED,
    "TIMED-OUT": Participation.Status.TIMED_OUT,
    "TIMED OUT": Participation.Status.TIMED_OUT,
}
"""Prolific's status of a submission → ours. All others leave a participation as it is."""
SUBMISSION_EVENT = "submission.status.change"
MAX_AGE_SECONDS = 300
"""An older message, or one from as far ahead, is refused: a copy sent again by somebody else."""
MAX_BYTES = 65_536
PAGE = 100
TIMEOUT_SECONDS = 20.0


class SignatureError(RecruitmentError):
    """A message is not, or not verifiably, from the service."""


@dataclass(frozen=True)
class Reconciled:
    """What a comparison came to."""

    submissions: int
    """In the service's list."""
    unknown: int
    """Of which nobody came here."""
    reclaimed: dict[str, int]
    """Status → participations that were ended now."""


def check_signature(*, body: bytes, timestamp: str, signature: str) -> None:
    """Raise `SignatureError` unless timestamp and body carry the secret's HMAC-SHA256, base64."""
    secret = settings.PROLIFIC_WEBHOOK_SECRET
    if not secret:
        raise SignatureError("PROLIFIC_WEBHOOK_SECRET is not set: no message can be checked")
    if not timestamp.isdecimal() or len(timestamp) > 20:
        raise SignatureError("the message has no timestamp")
    if abs(timezone.now().timestamp() - int(timestamp)) > MAX_AGE_SECONDS:
        raise SignatureError("the message's timestamp is not of now")
    digest = hmac.new(secret.encode(), timestamp.encode() + body, hashlib.sha256).digest()
    if not hmac.compare_digest(base64.b64encode(digest), signature.encode()):
        raise SignatureError("the message's signature is wrong")


def take(*, event: str, body: bytes) -> str:
    """Act on a message whose signature was checked; the outcome. The same event acts once.

    Raises `RecruitmentError` if it is no JSON object.
    """
    message = _parsed(body)
    # Without an identifier of its own the same bytes are the same event.
    name = event[:100] or hashlib.sha256(body).hexdigest()
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
    """Compare the service's list of submissions with ours, and reclaim what was given up there.

    Raises `RecruitmentError` if the study has no Prolific study, a setting is missing, or the
    service does not answer as it should.
    """
    row = selectors.of_study(study)
    if row.service != Recruitment.Service.PROLIFIC or not row.external_study:
        raise RecruitmentError(f"{study} has no study at Prolific")
    statuses = {
        external_key(pid=str(one["participant_id"]), session=str(one["id"])): str(one["status"])
        for one in _submissions(row.external_study)
    }
    known = selectors.by_external_keys(study, set(statuses))
    reclaimed: Counter[str] = Counter()
    for key, participation in known.items():
        status = STATUSES.get(statuses[key].upper())
        if status and recruitment.reclaim(participation=participation, status=status):
            reclaimed[status] += 1
    Recruitment.objects.filter(pk=row.pk).update(reconciled_at=timezone.now())
    return Reconciled(len(statuses), len(statuses) - len(known), dict(reclaimed))


def _act(kind: str, message: dict[str, Any]) -> str:
    if kind != SUBMISSION_EVENT:
        return "not about a submission"
    status = STATUSES.get(str(message.get("status", "")).upper())
    if status is None:
        return "nothing to do"
    pid, session = str(message.get("participant_id", "")), str(message.get("resource_id", ""))
    found = selectors.anywhere_by_external_key(external_key(pid=pid, session=session))
    if not found:
        return "nobody of that name"
    ended = [recruitment.reclaim(participation=one, status=status) for one in found]
    return status if any(ended) else "was over already"


def _parsed(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_BYTES:
        raise RecruitmentError(f"the message has {len(body)} bytes, over the limit of {MAX_BYTES}")
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RecruitmentError("the message is not JSON") from error
    if not isinstance(message, dict):
        raise RecruitmentError("the message is no JSON object")
    return message


def _submissions(external_study: str) -> Iterator[dict[str, Any]]:
    """Every submission of the study, page by page."""
    import httpx

    if not settings.PROLIFIC_TOKEN:
        raise RecruitmentError("PROLIFIC_TOKEN is not set: the list of submissions cannot be read")
    headers = {"Authorization": f"Token {settings.PROLIFIC_TOKEN}"}
    address = f"{settings.PROLIFIC_API}/api/v1/submissions/"
    page = 1
    with httpx.Client(headers=headers, timeout=TIMEOUT_SECONDS) as client:
        while True:
            parameters = {"study": external_study, "page_size": PAGE, "page": page}
            results = _results(client, address, parameters)
            yield from results
            if len(results) < PAGE:
                return
            page += 1


def _results(client: Any, address: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    import httpx

    try:
        answer = client.get(address, params=parameters)
        answer.raise_for_status()
        results: list[dict[str, Any]] = answer.json()["results"]
        needed = {"id", "participant_id", "status"}
        if not all(needed <= set(one) for one in results):
            raise RecruitmentError("Prolific's list lacks id, participant_id or status")
    except httpx.HTTPStatusError as error:
        raise RecruitmentError(f"Prolific answers {error.response.status_code}") from error
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise RecruitmentError(f"Prolific cannot be read: {type(error).__name__}") from error
    return results
