"""Queries for the pages of projects: members, open invitations, the audit trail, tokens."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from studyapp.models import ApiToken, AuditRecord, Invitation, Membership, Project, Role

TRAIL = 200


def by_id(pk: int) -> Project | None:
    """Return the project with that primary key."""
    return Project.objects.filter(pk=pk).first()


def named(name: str) -> Project | None:
    """Return the project with that name."""
    return Project.objects.filter(name=name).first()


def members(project: Project) -> QuerySet[Membership]:
    """Return the project's members, sorted by name."""
    return project.memberships.select_related("user").order_by("user__username")


def member(project: Project, pk: int) -> Membership | None:
    """Return one membership of the project."""
    return project.memberships.select_related("user").filter(pk=pk).first()


def open_invitations() -> QuerySet[Invitation]:
    """Return invitations that can still be accepted, from people who may still invite.

    Otherwise a removed member could return through a link that they made earlier.
    """
    owners = Membership.objects.filter(
        project=OuterRef("project"), user=OuterRef("invited_by"), role=Role.OWNER
    )
    return Invitation.objects.filter(
        Exists(owners) | Q(invited_by__is_superuser=True),
        invited_by__is_active=True,
        accepted_at=None,
        revoked_at=None,
        expires_at__gt=timezone.now(),
    )


def trail(project: Project) -> QuerySet[AuditRecord]:
    """Return the latest actions in the project."""
    return AuditRecord.objects.filter(project=project).order_by("-id")[:TRAIL]


def tokens_of(user_pk: int) -> QuerySet[ApiToken]:
    """Return a user's tokens that have not been revoked."""
    return ApiToken.objects.select_related("user").filter(user=user_pk, revoked_at=None)
