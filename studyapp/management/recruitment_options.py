"""The options of `create_study` that say how participants are recruited."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, TypeVar

from django.core.management.base import CommandParser
from django.db import models
from django.db.models import QuerySet

from studyapp.core.errors import StudyError
from studyapp.models import Project, Recruitment, Study
from studyapp.recruitment import selectors
from studyapp.recruitment.services import configuration
from studyapp.recruitment.services.configuration import OtherService

Row = TypeVar("Row", bound=models.Model)
OTHER = {
    "service_name": "what participants know it as, such as SONA",
    "person_parameter": "the parameter of its link that identifies a person: survey_code for "
    "SONA, participantId for CloudResearch, workerId for Mechanical Turk",
    "session_parameter": "the one that identifies a submission, if there is one: assignmentId",
    "return_address": "where it takes people back; {code}, {ending}, {person} and {session} stand "
    "for the completion code, the kind of end, and what the link had",
}
"""Option for another service → what it says."""


def add_options(parser: CommandParser) -> None:
    """Add the options of recruitment."""
    entries, services = Recruitment.Entry.values, Recruitment.Service.values
    parser.add_argument("--entry", choices=entries, default="link", help="who may enter")
    parser.add_argument("--service", choices=services, default="none", help="recruiting service")
    parser.add_argument("--external-study", default="", help="the service's id of the study")
    parser.add_argument("--payment", help="for a complete participation, such as 3.50EUR")
    for name, said in OTHER.items():
        parser.add_argument(f"--{name.replace('_', '-')}", help=f"with --service other: {said}")
    parser.add_argument(
        "--keep-out", action="append", default=[], metavar="SLUG",
        help="another study of the project: who took part in it cannot begin; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--keep-out-list", action="append", default=[], metavar="NAME",
        help="a list of people of the project who cannot begin; repeatable",
    )  # fmt: skip


def given_in(options: dict[str, Any], project: Project | None) -> dict[str, Any]:
    """Return the arguments of `configure`, checked before any sound is made."""
    given = re.fullmatch(r"(\d{1,6}(?:\.\d{1,2})?) ?([A-Z]{3})", options["payment"] or "")
    if options["payment"] and not given:
        raise StudyError(f"payment is {options['payment']!r}: an amount and a currency, 3.50EUR")
    study = Study(project=project)
    return {
        "entry": options["entry"],
        "service": options["service"],
        "external_study": options["external_study"],
        "payment": Decimal(given[1]) if given else None,
        "currency": given[2] if given else "",
        "other": _other(options),
        "excluded": _named(
            selectors.series_of_project(study), "slug", options["keep_out"],
            "the run's project has no other study",
        ),
        "excluded_lists": _named(
            selectors.lists_of_project(study), "name", options["keep_out_list"],
            "the run's project has no list of people",
        ),
    }  # fmt: skip


def _other(options: dict[str, Any]) -> OtherService | None:
    """Return how another service is reached, as far as the options say."""
    given = {name: options[name] for name in OTHER if options[name] is not None}
    if given and options["service"] != Recruitment.Service.OTHER:
        option = f"--{next(iter(given)).replace('_', '-')}"
        raise StudyError(f"{option} is for another service than Prolific: give --service other")
    if not given and selectors.has_versions(options["slug"]):
        return None  # A further version takes it from the one before, where `configure` checks it.
    other = OtherService(**given)
    configuration.check_other(service=options["service"], other=other)
    return other if given else None


def _named(offered: QuerySet[Row], field: str, names: list[str], lack: str) -> list[Row] | None:
    """Return the rows of these names; None, which leaves them as they are, if none is given."""
    found = {getattr(one, field): one for one in offered}
    if unknown := [name for name in names if name not in found]:
        raise StudyError(f"{lack} {unknown[0]!r}; it has {', '.join(found) or 'none'}")
    return [found[name] for name in names] or None


def configure(given: dict[str, Any], study: Study) -> None:
    """Configure the recruitment, in the transaction that creates the study."""
    configuration.configure(study=study, **given)
