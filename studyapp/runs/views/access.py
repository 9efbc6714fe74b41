"""Access to runs."""

from __future__ import annotations

from django.http import HttpRequest

from studyapp.core.object_access import require
from studyapp.models import Role, Run
from studyapp.runs import selectors


def run_for(request: HttpRequest, pk: int, least: Role = Role.VIEWER) -> Run:
    """Return the run if the user has at least that role in its project; otherwise 404 or 403."""
    return require(request, selectors.by_id(pk), least, missing=f"There is no run {pk}.")
