"""Who is logged in, and the projects that they may see."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.models import User
from django.http import HttpRequest

from studyapp.accounts import selectors
from studyapp.core.object_access import require
from studyapp.models import Project, Role


def user_of(request: HttpRequest) -> User:
    """Return the logged-in user; `LoginRequiredMiddleware` has let nobody else in."""
    return cast(User, request.user)


def project_for(request: HttpRequest, pk: int, least: Role = Role.VIEWER) -> Project:
    """Return the project if the user has at least that role in it; otherwise 404 or 403."""
    return require(request, selectors.by_id(pk), least, missing=f"There is no project {pk}.")
