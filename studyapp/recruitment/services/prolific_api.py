"""Requests to Prolific over HTTP: its list of submissions, and single submissions.

Source: docs.prolific.com, API reference v1, "Submissions".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.core.cache import cache

from studyapp.core.errors import RecruitmentError, UnknownSubmissionError
from studyapp.models import Participation
from studyapp.recruitment.services import prolific_http
from studyapp.recruitment.services.identities import Identity, external_key

PAGE = 100
ARRIVAL_SECONDS = 4.0
"""How long an arriving participant waits for Prolific's answer."""
OUTAGE, OUTAGE_SECONDS = "prolific-away", 30
"""After a failure Prolific is not asked for this long: arrivals must not queue in an outage."""
REMEMBERED_SECONDS = 15
"""How long an answer is cached: only briefly, since a submission may appear a moment later."""


def standing(*, identity: Identity, external_study: str, surely: bool = False) -> str:
    """Return what Prolific knows of a submission; "" without PROLIFIC_TOKEN.

    With `surely`, Prolific must also name the study that it belongs to. Raises
    `UnknownSubmissionError` if Prolific does not know it. An outage locks nobody out: the
    submission is then unverified until the next `reconcile`.
    """
    if not settings.PROLIFIC_TOKEN:
        return ""
    # A submission to another study here is not one to this.
    remembered = f"prolific-{surely}-{external_key(pid=identity.key, session=external_study)}"
    known = cache.get(remembered)
    if known is None:
        if cache.get(OUTAGE):
            return Participation.Submission.UNVERIFIED
        try:
            known = _is_known(identity, external_study, surely=surely)
        except RecruitmentError:
            cache.set(OUTAGE, True, OUTAGE_SECONDS)
            return Participation.Submission.UNVERIFIED
        cache.set(remembered, known, REMEMBERED_SECONDS)
    if not known:
        raise UnknownSubmissionError("Prolific does not know the submission")
    return Participation.Submission.VERIFIED


def _is_known(identity: Identity, external_study: str, *, surely: bool) -> bool:
    """Whether the submission exists and belongs to that person and, if given, to that study."""
    import httpx

    address = prolific_http.address(f"submissions/{quote(identity.session, safe='')}/")
    try:
        answer = httpx.get(address, headers=prolific_http.headers(), timeout=ARRIVAL_SECONDS)
        if answer.status_code in (400, 404):
            return False
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        person = found.get("participant_id") or found.get("participant")
        study = found.get("study_id") or found.get("study")
    except (httpx.HTTPError, ValueError, AttributeError) as error:
        raise RecruitmentError(f"Prolific cannot be reached: {type(error).__name__}") from error
    is_here = not (surely or (external_study and study)) or study == external_study
    return bool(person == identity.pid and is_here)


def submissions(external_study: str) -> Iterator[dict[str, Any]]:
    """Yield every submission of the study."""
    for one in prolific_http.pages("submissions/", study=external_study, page_size=str(PAGE)):
        if not {"id", "participant_id", "status"} <= set(one):
            raise RecruitmentError("Prolific's list lacks id, participant_id or status")
        yield one
