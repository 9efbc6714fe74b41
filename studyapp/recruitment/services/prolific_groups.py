"""Participant groups at Prolific: people of a study, whom other studies there can keep out.

A group belongs to a workspace, which all projects here share; each project only uses the groups
that it made. Prolific ignores a person who is in the group already, so to add people twice adds
them once, and a new group is found again by the action's key in its description.
Source: docs.prolific.com, API reference v1, "Participant groups" and "Projects".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from studyapp.core.errors import RecruitmentError
from studyapp.models import ParticipantGroup, RecruitmentAction, Study
from studyapp.recruitment import selectors
from studyapp.recruitment.services import prolific_http, prolific_study

PAGE = 100


def put(action: RecruitmentAction, people: Sequence[str]) -> str:
    """Put people into the group that the action names, which is made if there is none.

    Returns Prolific's identifier of the group.
    """
    workspace = _workspace(action.study)
    if reference := _reference(action, workspace):
        path = f"participant-groups/{reference}/participants/"
        prolific_http.send("POST", path, {"participant_ids": [*people]})
        return reference
    content = {
        "workspace_id": workspace,
        "name": action.content["name"],
        "description": f"Made by Earwitness for {action.study} ({action.key})",
        "participant_ids": [*people],
    }
    return str(prolific_http.send("POST", "participant-groups/", content)["id"])


def has(action: RecruitmentAction, people: Sequence[str]) -> bool:
    """Whether all these people are in the group, whose identifier is then set as `reference`."""
    action.reference = _reference(action, _workspace(action.study))
    if not action.reference:
        return False
    members = _all(f"participant-groups/{action.reference}/participants/", "participant_id")
    return {*people} <= {str(one["participant_id"]) for one in members}


def store(action: RecruitmentAction, reference: str) -> None:
    """Remember the group as the project's."""
    ParticipantGroup.objects.get_or_create(
        project=action.study.project, name=action.content["name"],
        defaults={"reference": reference},
    )  # fmt: skip


def _reference(action: RecruitmentAction, workspace: str) -> str:
    """The project's group of that name; or the one that the action made, if it was interrupted."""
    known = selectors.group_named(action.study, action.content["name"])
    if known is not None:
        return known.reference
    listed = _all("participant-groups/", "id", workspace_id=workspace)
    made = (one for one in listed if str(action.key) in str(one.get("description")))
    return next((str(one["id"]) for one in made), "")


def _workspace(study: Study) -> str:
    """The workspace of the study at Prolific."""
    found = prolific_http.read(f"studies/{prolific_study.of_study(study)}/")
    try:
        project = prolific_http.read(f"projects/{found['project']}/")
        return str(project["workspace"])
    except KeyError as error:
        raise RecruitmentError(f"Prolific does not say the study's {error}") from error


def _all(path: str, name: str, **parameters: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a list, each once. Prolific's may be in pages, or whole at once."""
    seen: set[str] = set()
    while True:
        given = parameters | {"limit": str(PAGE), "offset": str(len(seen))}
        rows = prolific_http.read(path, **given).get("results") or []
        fresh = [one for one in rows if str(one.get(name)) not in seen]
        yield from fresh
        seen |= {str(one.get(name)) for one in fresh}
        if len(rows) < PAGE or not fresh:
            return
