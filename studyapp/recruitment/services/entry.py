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

PROLIFIC_COMPLETE = "https://app.prolific.com/submissions/complete"


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
    recruitment = selectors.of_study(participation.study)
    came_by_service = bool(participation.external_key) and not participation.simulated
    if recruitment.service != Recruitment.Service.PROLIFIC or not (code and came_by_service):
        return ""
    return f"{PROLIFIC_COMPLETE}?{urlencode({'cc': code})}"
