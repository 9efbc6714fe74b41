"""Who may see and change what. Rows without a project are for administrators only.

An administrator (superuser) counts as an owner of every project.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django.conf import settings
from django.db.models import Model, QuerySet

from studyapp.models import Membership, Project, Role

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

Row = TypeVar("Row", bound=Model)
RANK = {Role.VIEWER: 1, Role.EDITOR: 2, Role.OWNER: 3}


def role_in(user: User | AnonymousUser, project: Project | None) -> Role | None:
    """Return the user's role in a project; None if they have none."""
    if not user.is_authenticated:
        return None
    if user.is_superuser:
        return Role.OWNER
    if project is None:
        return None
    found = Membership.objects.filter(user=user.pk, project=project).first()
    return Role(found.role) if found else None


def may_make_projects(user: User | AnonymousUser) -> bool:
    """Whether the user may create projects.

    Administrators and accounts with the permission `studyapp.add_project` may; if
    `EARWITNESS_PROJECTS` is `members`, so may everyone who is a member of a project.
    """
    if user.has_perm("studyapp.add_project"):
        return True
    return settings.PROJECTS == "members" and projects_of(user).exists()


def may(user: User | AnonymousUser, project: Project | None, least: Role) -> bool:
    """Whether the user's role in the project is at least `least`."""
    role = role_in(user, project)
    return role is not None and RANK[role] >= RANK[least]


def may_recruit(user: User | AnonymousUser | None, project: Project | None) -> bool:
    """Whether the user may use the site's account at Prolific for the project's studies.

    Administrators may; so may editors of a project for which an administrator has allowed it.
    """
    if user is None or not user.is_authenticated:
        return False
    if user.is_superuser:
        return True
    return project is not None and project.may_recruit and may(user, project, Role.EDITOR)


def visible(user: User | AnonymousUser, rows: QuerySet[Row]) -> QuerySet[Row]:
    """Return those of `rows` (with a field `project`) that the user may see."""
    if not user.is_authenticated:
        return rows.none()
    if user.is_superuser:
        return rows
    return rows.filter(project__memberships__user=user.pk)


def readable_by_token(user: User, rows: QuerySet[Row]) -> QuerySet[Row]:
    """Return those of `rows` that the user's tokens may read: in projects they are a member of.

    An administrator's token may read no more, because it is stored in some program's settings.
    """
    return rows.filter(project__memberships__user=user.pk)


def projects_of(user: User | AnonymousUser, least: Role = Role.VIEWER) -> QuerySet[Project]:
    """Return the projects in which the user has at least that role."""
    if not user.is_authenticated:
        return Project.objects.none()
    if user.is_superuser:
        return Project.objects.all()
    wanted: list[Any] = [role for role, rank in RANK.items() if rank >= RANK[least]]
    return Project.objects.filter(memberships__user=user.pk, memberships__role__in=wanted)


def editable(user: User | AnonymousUser, rows: QuerySet[Row]) -> QuerySet[Row]:
    """Return those of `rows` (with a field `project`) that the user may change."""
    if user.is_superuser:
        return rows
    return rows.filter(project__in=projects_of(user, Role.EDITOR))


def may_start_runs(user: User | AnonymousUser, project: Project | None) -> bool:
    """Whether the user may start, re-run and stop a project's runs."""
    if project is not None and not project.may_start_runs:
        return False
    return may(user, project, Role.EDITOR)


def running_projects(user: User | AnonymousUser) -> QuerySet[Project]:
    """Return the projects in which the user may start runs."""
    return projects_of(user, Role.EDITOR).filter(may_start_runs=True)
