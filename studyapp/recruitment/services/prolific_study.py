"""A study at Prolific: what it says of itself, and the draft that is made from a study here.

Amounts at Prolific are in cents (or pence) of the study's currency.
Source: docs.prolific.com, API reference v1, "Studies".
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from studyapp.core.errors import RecruitmentError, StudyError
from studyapp.models import ParticipantGroup, RecruitmentAction, Study
from studyapp.recruitment import selectors
from studyapp.recruitment.services import configuration, prolific_http

CODE_TYPES = {
    "complete": "COMPLETED",
    "no_consent": "NO_CONSENT",
    "incompatible_device": "INCOMPATIBLE_DEVICE",
}
"""Ending → the kind of completion code that Prolific knows it as; `OTHER` for the rest."""
PAID_SCREEN_OUT = "FIXED_SCREENOUT"
"""The kind of the one code that pays people who are screened out."""
RETURN_REASONS = {
    "screened_out": "You are not eligible for this study.",
    "no_consent": "You did not consent to the study.",
    "incompatible_device": "Your device cannot play the study's sounds.",
    "full": "All places of the study are taken.",
}
"""Ending → what Prolific tells people whom it asks to return their submission."""
OTHER_REASON = "You could not complete the study."
REVIEWED = ("complete", "closed", "timed_out")
"""Endings after which a person decides on the payment: people gave answers."""
TIME_FACTOR = 3
"""How many times the estimated minutes a participant may take at most, unless that is too few."""
BLOCKLIST = "participant_group_blocklist"
CENTS = 100
SAFE = re.compile(r"[0-9A-Za-z_-]+")
"""Characters of an identifier that lead to no other address at Prolific."""


@dataclass(frozen=True)
class AtProlific:
    """A study as Prolific shows it."""

    status: str
    places: int
    taken: int
    total_cost: int
    """Of all places, with fees and tax, in cents; 0 if Prolific does not say."""
    reward: int
    """For one complete participation, in cents."""
    currency: str

    @property
    def cost(self) -> str:
        """What all places cost."""
        return self.cost_of_places(self.places)

    def cost_of_places(self, count: int) -> str:
        """What so many places cost, fees and tax included, as the present ones do."""
        if not (self.places and self.total_cost):
            # An action's cost has 60 characters.
            return f"{money(self.reward * count, self.currency)} plus fees"
        return money(round(self.total_cost * count / self.places), self.currency)


@dataclass(frozen=True)
class Draft:
    """What is asked of a person who creates a study at Prolific."""

    description: str
    link: str
    minutes: int
    places: int
    screened_out_reward: Decimal | None = None
    """Paid to each participant who is screened out, without review; they return it if None."""
    screened_out_places: int = 0
    """How many may be paid so before Prolific pauses the study."""
    kept_out: Sequence[ParticipantGroup] = ()
    """Groups of people at Prolific whom it does not invite."""


def money(cents: int, currency: str) -> str:
    """Return an amount of cents as text: `14.00 GBP`."""
    return f"{Decimal(cents) / CENTS:.2f} {currency}"


def of_study(study: Study) -> str:
    """Return the identifier of the study at Prolific. Raises `RecruitmentError` if it has none."""
    found = selectors.of_study(study).external_study
    if not found:
        raise RecruitmentError(f"{study} has no study at Prolific")
    if not SAFE.fullmatch(found):
        raise RecruitmentError(f"{found[:40]!r} is not the identifier of a study at Prolific")
    # All projects use one account there: nobody may act on another project's study.
    if selectors.is_of_another_project(study, found):
        raise RecruitmentError(f"the study {found} at Prolific belongs to another project's study")
    return found


def read(external_study: str) -> AtProlific:
    """Return what Prolific says about the study now."""
    found = prolific_http.read(f"studies/{external_study}/")
    try:
        return AtProlific(
            status=str(found["status"]).upper().replace("_", " "),
            places=int(found["total_available_places"]),
            taken=int(found.get("places_taken") or 0),
            total_cost=round(found.get("total_cost") or 0),
            reward=round(found["reward"]),
            currency=str(
                found.get("presentment_currency_code") or found.get("currency_code") or ""
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RecruitmentError(f"Prolific's study lacks {error}") from error


def content_of(study: Study, draft: Draft, action_key: str) -> dict[str, Any]:
    """Return the request that creates the draft; `action_key` finds it again among all studies.

    Raises `StudyError` if the study lacks a payment or a code, or a number is out of range.
    """
    recruitment = selectors.of_study(study)
    if recruitment.payment is None or not recruitment.payment:
        raise StudyError("the payment is not stated: set it above, with its currency")
    if missing := configuration.missing_codes(study):
        raise StudyError(f"there is no completion code for {', '.join(missing)}")
    reward = _cents(recruitment.payment)
    if not (1 <= draft.places <= 100_000 and 1 <= draft.minutes <= 1000):
        raise StudyError(
            f"places is {draft.places} and minutes is {draft.minutes}: both must be from 1, "
            "to 100000 places and 1000 minutes"
        )
    return {
        "name": study.title,
        "internal_name": f"{study} {action_key}",
        "description": draft.description,
        "external_study_url": draft.link,
        "prolific_id_option": "url_parameters",
        "completion_codes": [
            {"code": code, "code_type": _code_type(ending, draft), "actor": "participant",
             "actions": [_on_code(ending, draft, reward)]}
            for ending, code in study.codes.items()
        ],
        "total_available_places": draft.places,
        "estimated_completion_time": draft.minutes,
        "maximum_allowed_time": _most_minutes(draft.minutes),
        "reward": reward,
        "device_compatibility": ["desktop", "tablet", "mobile"],
        "peripheral_requirements": ["audio"],
        "filters": _filters(draft.kept_out),
    }  # fmt: skip


def _most_minutes(minutes: int) -> int:
    """How long a participant may take; Prolific refuses less than 2 + 2 t + 2 √t minutes."""
    return max(minutes * TIME_FACTOR, math.ceil(2 + 2 * minutes + 2 * math.sqrt(minutes)))


def _filters(groups: Sequence[ParticipantGroup]) -> list[dict[str, Any]]:
    """Prolific's filter that keeps out the people of groups, also those who are added later."""
    values = [one.reference for one in groups]
    return [{"filter_id": BLOCKLIST, "selected_values": values}] if values else []


def _code_type(ending: str, draft: Draft) -> str:
    if ending == "screened_out" and draft.screened_out_reward is not None:
        return PAID_SCREEN_OUT
    return CODE_TYPES.get(ending, "OTHER")


def _on_code(ending: str, draft: Draft, reward: int) -> dict[str, Any]:
    """What Prolific does when someone comes back with the code of that ending."""
    if ending in REVIEWED:
        return {"action": "MANUALLY_REVIEW"}
    if ending == "screened_out" and draft.screened_out_reward is not None:
        paid = _cents(draft.screened_out_reward)
        if not (0 < paid < reward and draft.screened_out_places >= 1):
            raise StudyError(
                f"the payment for people who are screened out is {draft.screened_out_reward}: it "
                "must be more than 0 and less than the full payment, for at least one person"
            )
        return {
            "action": "FIXED_SCREEN_OUT_PAYMENT",
            "fixed_screen_out_reward": paid,
            "slots": draft.screened_out_places,
        }
    return {"action": "REQUEST_RETURN", "return_reason": RETURN_REASONS.get(ending, OTHER_REASON)}


def cost_of(content: dict[str, Any], currency: str) -> str:
    """Return what a draft's participants are paid at most once it is published, without fees."""
    total = content["reward"] * content["total_available_places"]
    for code in content["completion_codes"]:
        for action in code["actions"]:
            total += action.get("fixed_screen_out_reward", 0) * action.get("slots", 0)
    return f"{money(total, currency)} plus Prolific’s fee, once it is published"


def created(action: RecruitmentAction) -> str:
    """Return the identifier of the study that the action created at Prolific, or ""."""
    wanted = action.content["internal_name"]
    found = (one for one in prolific_http.pages("studies/") if one.get("internal_name") == wanted)
    return next((str(one["id"]) for one in found), "")


def _cents(amount: Decimal) -> int:
    return int(amount * CENTS)
