"""Who may enter a study, and how participants leave for their recruiting service."""

from __future__ import annotations

from urllib.parse import urlencode

from django.db import transaction

from studyapp.core import clock
from studyapp.core.errors import NotInvitedError
from studyapp.models import Participation, Recruitment, Study
from studyapp.recruitment import selectors
from studyapp.recruitment.services import prolific_api
from studyapp.recruitment.services.identities import Identity, check_prolific

PROLIFIC_SUBMISSIONS = "https://app.prolific.com/submissions"
PROLIFIC_PLACEHOLDERS = (
    "?PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}&SESSION_ID={{%SESSION_ID%}}"
)
"""What a study's link ends with at Prolific, which fills the placeholders in for each person."""
PROLIFIC_COMPLETE = f"{PROLIFIC_SUBMISSIONS}/complete"


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
    if expected and identity is not None and external_study != expected:
        raise NotInvitedError("the link belongs to another study of the recruiting service")
    if recruitment.entry != Recruitment.Entry.LINK:
        by_service = identity is not None and is_prolific
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


def way_back(*, participation: Participation) -> str:
    """Return the recruiting service's address for the participation's code; "" if there is none."""
    code = participation.completion_code or participation.ending_code
    if not code or not came_by_service(participation):
        return ""
    return way_back_with(study=participation.study, code=code)


def way_back_with(*, study: Study, code: str) -> str:
    """Return the address at the study's recruiting service that takes a code, or ""."""
    return f"{PROLIFIC_COMPLETE}?{urlencode({'cc': code})}" if submissions_page(study) else ""


def came_by_service(participation: Participation) -> bool:
    """Whether a recruiting service sent this participant."""
    sent = bool(participation.external_key) and not participation.simulated
    return sent and bool(submissions_page(participation.study))


def submissions_page(study: Study) -> str:
    """Return the address where the service's participants see and return submissions, or ""."""
    is_prolific = selectors.of_study(study).service == Recruitment.Service.PROLIFIC
    return PROLIFIC_SUBMISSIONS if is_prolific else ""
