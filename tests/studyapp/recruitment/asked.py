"""Every step that can be asked of Prolific: how, at what cost, and what it leaves there."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from django.contrib.auth.models import User

from studyapp.models import RecruitmentAction, Study
from studyapp.recruitment.services import configuration, intents
from studyapp.recruitment.services.identities import external_key
from studyapp.recruitment.services.prolific_study import Draft
from tests.studyapp.recruitment.prolific_server import STUDY, Prolific

CODES = {"complete": "DONE1234", "no_consent": "NO123456"}
ANN = external_key(pid="ann", session="s-ann")
REASON = "Every one of your answers was given before any of the sounds had been played, " + "x" * 40
State = RecruitmentAction.State


Ask = Callable[[Study, User], RecruitmentAction]
ASKED: dict[str, Ask] = {
    "create": lambda s, u: intents.create(
        study=s, user=u, draft=Draft("Listen.", "https://x", 9, 5)
    ),
    "publish": lambda s, u: intents.publish(study=s, user=u),
    "places": lambda s, u: intents.add_places(study=s, more=5, user=u),
    "approve": lambda s, u: intents.approve(study=s, targets=[ANN], user=u),
    "reject": lambda s, u: intents.reject(
        study=s, targets=[ANN], category="FAILED_CHECK", reason=REASON, user=u
    ),
    "return": lambda s, u: intents.ask_for_return(study=s, targets=[ANN], reason="No data", user=u),
    "message": lambda s, u: intents.write(study=s, targets=[ANN], body="Thank you.", user=u),
    "bonus": lambda s, u: intents.pay_bonus(study=s, targets=[ANN], amount=Decimal("1.50"), user=u),
}
COSTS = {
    "create": "10.00 GBP plus Prolific’s fee, once it is published", "publish": "28.00 GBP",
    "places": "14.00 GBP", "approve": "2.80 GBP, of the money that Prolific holds", "reject": "",
    "return": "", "message": "", "bonus": "2.10 GBP",
}  # fmt: skip


def prepared(kind: str, study: Study, service: Prolific) -> None:
    """The state in which this can be asked."""
    if kind == "publish":
        service.study(STUDY)["status"] = "UNPUBLISHED"
    if kind == "create":
        configuration.configure(
            study=study, service="prolific", payment=Decimal("2.00"), currency="GBP"
        )


def outcome(kind: str, service: Prolific) -> object:
    """What Prolific has of it; the same whether it was asked once or, wrongly, twice or never."""
    ann, there = service.submission("s-ann"), service.study(STUDY)
    return {
        "create": len(service.studies) - 1, "publish": there["status"],
        "places": there["total_available_places"], "approve": ann["status"],
        "reject": ann["status"], "return": bool(ann["return_requested"]),
        "bonus": service.paid, "message": service.messages,
    }[kind]  # fmt: skip


ONCE = {
    "create": 1, "publish": "ACTIVE", "places": 15, "approve": "APPROVED", "reject": "REJECTED",
    "return": True, "bonus": [("s-ann", 150)], "message": [("ann", "Thank you.")],
}  # fmt: skip
