"""People who come from a local Prolific, and its messages about them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from django.test import Client

from studyapp.models import Participation, Study
from tests.studyapp import passages
from tests.studyapp.recruitment.prolific_server import Prolific

SECRET = "a-webhook-secret"
CODES = {"complete": "DONE1234", "no_consent": "NO123456"}


def pid(name: str) -> str:
    """An identifier in the format of Prolific."""
    return hashlib.sha256(name.encode()).hexdigest()[:24]


def link(name: str, session: str = "") -> dict[str, str]:
    session = session or f"s-{name}"
    return {"PROLIFIC_PID": pid(name), "STUDY_ID": "their-study", "SESSION_ID": session}


def arrive(
    study: Study, name: str, client: Client | None = None, service: Prolific | None = None
) -> Participation:
    if service is not None:
        service.submit(pid(name), f"s-{name}", "ACTIVE")
    return passages.reach_trials(client or Client(), study, **link(name))


def entered(study: Study, given: dict[str, str], client: Client | None = None) -> str:
    """The page that the link leads to."""
    answer = (client or Client()).get(f"/s/{study.slug}/", given, follow=True)
    return passages.page_of(answer)


def send(
    message: dict[str, Any], *, event: str = "e1", secret: str = SECRET, seconds_ago: int = 0
) -> Any:
    """Post a message as Prolific does."""
    body = json.dumps(message).encode()
    timestamp = str(int(time.time()) - seconds_ago)
    digest = hmac.new(secret.encode(), timestamp.encode() + body, hashlib.sha256).digest()
    headers = {
        "X-Prolific-Request-Signature": base64.b64encode(digest).decode(),
        "X-Prolific-Request-Timestamp": timestamp,
        "X-Event-ID": event,
    }
    client = Client(enforce_csrf_checks=True)
    return client.post("/hooks/prolific", body, content_type="application/json", headers=headers)


def returned(name: str, status: str = "RETURNED") -> dict[str, Any]:
    return {
        "event_type": "submission.status.change", "participant_id": pid(name),
        "resource_id": f"s-{name}", "status": status,
    }  # fmt: skip
