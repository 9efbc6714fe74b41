"""What a plan asks of participants and of the budget: minutes, payment in all and per hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from studyapp.models import Clip, SteeredClip, Study
from studyapp.models.steps import Step
from studyapp.participation.selectors.passage import passage
from studyapp.participation.selectors.trials import ANSWERING_SECONDS
from studyapp.studies.services import protocol
from studyapp.wizard.services.answers import Answers, settings_of

CENT = Decimal("0.01")
USUAL_SECONDS = 10.0
"""The length of a clip if the run has none yet."""


@dataclass(frozen=True)
class Price:
    """Of a number of participants."""

    participants: int
    minutes: int
    total: str = ""
    """What all of them are paid, with the currency; empty if no payment is given."""
    per_hour: str = ""


def minutes_of(answers: Answers) -> int:
    """How long one participation takes, from the first page to the last, as the pages estimate."""
    study = protocol.unsaved(**settings_of(answers))
    seconds = _seconds(study, answers["runs"]) or USUAL_SECONDS
    pace = study.kind.clips * seconds + ANSWERING_SECONDS
    return passage(study, Step(study.steps[0]), pace=pace).minutes_left


def _seconds(study: Study, runs: Sequence[int]) -> float | None:
    """The length of a sound; None if the runs have none yet."""
    if study.kind.steered:
        steered = SteeredClip.objects.filter(feature__run__in=runs)
        return steered.values_list("clip__seconds", flat=True).first()
    return Clip.objects.filter(run__in=runs).values_list("seconds", flat=True).first()


def price_of(participants: int, *, answers: Answers, minutes: int) -> Price:
    """What so many participants cost."""
    if answers["payment"] is None:
        return Price(participants, minutes)
    each, currency = Decimal(answers["payment"]), answers["currency"]
    per_hour = (each * 60 / minutes).quantize(CENT, ROUND_HALF_UP)
    return Price(
        participants, minutes, f"{each * participants} {currency}", f"{per_hour} {currency}"
    )


def prices_of(
    ways: Mapping[str, Any], *, answers: Answers, minutes: int
) -> dict[str, tuple[Mapping[str, Any], Price]]:
    """The ways to the wanted power (`Estimate.needed`) that there are, each with its price."""
    per_method = 1 if answers["design"] == Study.Design.WITHIN else len(answers["methods"])
    return {
        name: (way, price_of(way["participants"] * per_method, answers=answers, minutes=minutes))
        for name, way in ways.items()
        # A list has the features that it has.
        if way and (name == "by_ratings" or answers["selection"] != Study.Selection.LIST)
    }
