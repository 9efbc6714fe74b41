"""Who may enter a study, and how participants leave for their recruiting service."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlencode, urlsplit

from django.db import transaction

from studyapp.core import clock
from studyapp.core.errors import NotInvitedError, StudyError
from studyapp.models import Participation, Recruitment, Study
from studyapp.recruitment import selectors
from studyapp.recruitment.services import prolific_api
from studyapp.recruitment.services.identities import Identity, Parameters, check_prolific

PROLIFIC_SUBMISSIONS = "https://app.prolific.com/submissions"
PROLIFIC_PLACEHOLDERS = (
    "?PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}&SESSION_ID={{%SESSION_ID%}}"
)
"""What a study's link ends with at Prolific, which fills the placeholders in for each person."""
PROLIFIC_COMPLETE = f"{PROLIFIC_SUBMISSIONS}/complete"
OWN_PARAMETERS = frozenset({"lang", "simulated", "t"})
"""Parameters of a study's link that are ours, so that no service can have them."""
PLACEHOLDERS = ("code", "ending", "person", "session")
"""What the way back to another service can repeat, each in braces."""
PLACEHOLDER = re.compile(rf"{{({'|'.join(PLACEHOLDERS)})}}")
ENDINGS = {
    Participation.Status.COMPLETE: "complete",
    Participation.Status.REFUSED: "no_consent",
    Participation.Status.SCREENED_OUT: "screened_out",
    Participation.Status.TIMED_OUT: "timed_out",
}
"""Status → ending, as in `configuration.ENDINGS`."""


def check_invited(
    *,
    study: Study,
    external_study: str = "",
    identity: Identity | None = None,
    has_token: bool = False,
) -> str:
    """Return what the recruiting service knows of the submission: `Participation.Submission` or "".

    Raises `NotInvitedError` unless the study admits visitors who come this way.
    """
    recruitment = selectors.of_study(study)
    is_prolific = recruitment.service == Recruitment.Service.PROLIFIC
    if identity is not None and is_prolific:
        check_prolific(identity)
    expected = recruitment.external_study
    is_other = recruitment.service == Recruitment.Service.OTHER
    if expected and identity is not None and not is_other and external_study != expected:
        raise NotInvitedError("the link belongs to another study of the recruiting service")
    if recruitment.entry != Recruitment.Entry.LINK:
        # The copy for tests is of Prolific too, but is only entered through the study's own link.
        by_service = identity is not None and is_prolific and study.preview_of_id is None
        if not (has_token or by_service):
            raise NotInvitedError(f"{study} only admits people who have a token")
    if identity is None or not is_prolific:
        return ""
    return prolific_api.standing(identity=identity, external_study=expected)


def reclaim(*, participation: Participation, status: str) -> bool:
    """End an active participation as returned or timed out, which frees its place at once.

    Returns whether it was active; a complete, refused or withdrawn participation does not change.
    """
    with transaction.atomic():
        changed = Participation.objects.filter(
            pk=participation.pk, status=Participation.Status.ACTIVE
        ).update(status=status, finished_at=clock.now(), lease_expires_at=None)
    participation.refresh_from_db()
    return bool(changed)


def way_back(*, participation: Participation, origin: Mapping[str, str]) -> str:
    """Return the recruiting service's address for the participation's code; "" if there is none.

    `origin` has the identifiers that another service gave, as far as the browser still has them.
    """
    code = participation.completion_code or participation.ending_code
    return way_back_with(
        study=participation.study, code=code, ending=ending_of(participation), origin=origin
    )


def ending_of(participation: Participation) -> str:
    """Return how the participation ended, as codes are named; "" if it has not."""
    if participation.screened_for == Participation.Screening.DEVICE:
        return "incompatible_device"
    return ENDINGS.get(Participation.Status(participation.status), "")


def way_back_with(*, study: Study, code: str, ending: str, origin: Mapping[str, str]) -> str:
    """Return the address at the study's recruiting service that takes a code, or "".

    There is none without a code, or without an identifier that the service's address repeats.
    """
    row = selectors.of_study(study)
    if row.service == Recruitment.Service.PROLIFIC:
        return f"{PROLIFIC_COMPLETE}?{urlencode({'cc': code})}" if code else ""
    known = {"code": code, "ending": ending, **origin}
    needed = PLACEHOLDER.findall(row.return_address)
    if row.service != Recruitment.Service.OTHER or not all(known.get(name) for name in needed):
        return ""
    return PLACEHOLDER.sub(lambda found: quote(known[found[1]], safe=""), row.return_address)


def parameters_of(study: Study | None) -> Parameters:
    """Return the parameters with which the study's recruiting service identifies people."""
    row = selectors.of_study(study) if study is not None else None
    if row is None or row.service != Recruitment.Service.OTHER or not row.person_parameter:
        return Parameters()
    return Parameters(row.person_parameter, row.session_parameter)


def repeats_identifiers(study: Study) -> bool:
    """Whether the way back to the study's recruiting service repeats who came."""
    row = selectors.of_study(study)
    is_other = row.service == Recruitment.Service.OTHER
    return is_other and bool({"person", "session"} & {*PLACEHOLDER.findall(row.return_address)})


def check_return_address(address: str) -> None:
    """Raise `StudyError` unless the address is one, and its placeholders are known."""
    try:
        parts = urlsplit(address)
        is_address = parts.scheme in ("https", "http") and bool(parts.hostname)
    except ValueError:  # Such as a bracket that is not closed.
        is_address = False
    if not is_address or {*"{}"} & {*parts.netloc}:
        raise StudyError(f"the way back is {address[:80]!r}: give an address such as https://…")
    unknown = [name for name in re.findall(r"{([^{}]*)}", address) if name not in PLACEHOLDERS]
    if unknown or "{" in PLACEHOLDER.sub("", address):
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise StudyError(f"the way back can have {known}, not {{{''.join(unknown[:1])}}}")


def came_by_service(participation: Participation) -> bool:
    """Whether a recruiting service sent this participant."""
    sent = bool(participation.external_key) and not participation.simulated
    return sent and bool(service_name(participation.study))


def service_name(study: Study) -> str:
    """Return what participants know the study's recruiting service as; "" if there is none."""
    row = selectors.of_study(study)
    if row.service == Recruitment.Service.OTHER:
        return row.service_name
    return row.get_service_display() if row.service != Recruitment.Service.NONE else ""


def submissions_page(study: Study) -> str:
    """Return the address where Prolific's participants see and return submissions, or ""."""
    is_prolific = selectors.of_study(study).service == Recruitment.Service.PROLIFIC
    return PROLIFIC_SUBMISSIONS if is_prolific else ""
