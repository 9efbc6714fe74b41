"""Reads of projects for their pages: members, open invitations, the audit trail, tokens."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from studyapp.models import ApiToken, AuditRecord, Invitation, Membership, Project, Role

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


def open_invitations() -> QuerySet[Invitation]:
    """Invitations that can still be accepted: whoever made one may still make such a one.

    Else somebody who was removed would come back by a link that they made before.
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
    """The newest deeds in the project."""
    return AuditRecord.objects.filter(project=project).order_by("-id")[:TRAIL]


def tokens_of(user_pk: int) -> QuerySet[ApiToken]:
    """A user's tokens that are not revoked."""
    return ApiToken.objects.select_related("user").filter(user=user_pk, revoked_at=None)
