"""Reads of projects for their pages: members, open invitations, the audit trail, tokens."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils import timezone

from studyapp.models import ApiToken, AuditRecord, Invitation, Membership, Project

TRAIL = 200


def by_id(pk: int) -> Project | None:
    """The project of that number."""
    return Project.objects.filter(pk=pk).first()


def named(name: str) -> Project | None:
    """The project of that name."""
    return Project.objects.filter(name=name).first()


def members(project: Project) -> QuerySet[Membership]:
    """Who is in it, by name."""
    return project.memberships.select_related("user").order_by("user__username")


def member(project: Project, pk: int) -> Membership | None:
    """One membership of the project."""
    return project.memberships.select_related("user").filter(pk=pk).first()


def open_invitations(project: Project) -> QuerySet[Invitation]:
    """Invitations that can still be accepted."""
    return project.invitations.filter(
        accepted_at=None, revoked_at=None, expires_at__gt=timezone.now()
    )


def trail(project: Project) -> QuerySet[AuditRecord]:
    """The newest deeds in the project."""
    return AuditRecord.objects.filter(project=project).order_by("-id")[:TRAIL]


def tokens_of(user_pk: int) -> QuerySet[ApiToken]:
    """A user's tokens that are not revoked."""
    return ApiToken.objects.select_related("user").filter(user=user_pk, revoked_at=None)
