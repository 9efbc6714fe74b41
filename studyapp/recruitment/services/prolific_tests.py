"""Trying a study at Prolific as a participant: a test participant, and a test study.

A test participant is an account at Prolific that a researcher logs in with. From a draft Prolific
makes a test study, which costs nothing and which only test participants of the workspace see. It
has an identifier of its own: by it, whoever comes from it is led to a copy of the study here, so
that the passage counts nowhere. Both are open to workspaces for which Prolific has turned them on.
Source: docs.prolific.com, API reference v1, "Testing", "Users" and "Studies".
"""

from __future__ import annotations

from urllib.parse import urlsplit

from studyapp.models import Recruitment, RecruitmentAction
from studyapp.recruitment.services import prolific_http, prolific_study


def make_participant(action: RecruitmentAction) -> str:
    """Ask for a test participant with the action's mail address."""
    prolific_http.send("POST", "researchers/participants/", {"email": action.content["email"]})
    return ""


def make_study(action: RecruitmentAction) -> str:
    """Ask for a test study, and return its identifier; its address is kept in `content`."""
    path = f"studies/{prolific_study.of_study(action.study)}/test-study"
    answer = prolific_http.send("POST", path)
    address = str(answer.get("study_url") or "")
    if urlsplit(address).scheme in ("https", "http"):
        action.content["url"] = address
    return str(answer["study_id"])


def store(action: RecruitmentAction, reference: str) -> None:
    """Remember the test study, whose participants are led to a copy."""
    Recruitment.objects.filter(study=action.study).update(test_study=reference)


def is_told(_: RecruitmentAction) -> bool:
    """Prolific lists neither test participants nor test studies, so nobody can read it."""
    return False
