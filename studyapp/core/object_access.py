"""A row of a project as the request's user may have it: 404 where they may not look, else 403."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from studyapp.core.permissions import may
from studyapp.models import Project, Role


def require(request: HttpRequest, project: Project | None, least: Role) -> None:
    if least != Role.VIEWER and not may(request.user, project, least):
        raise PermissionDenied(f"This needs the role {least.label} in the project.")
