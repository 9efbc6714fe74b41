"""Projects: created, members invited by link, roles changed; all of it in the audit trail."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.utils import timezone

from studyapp.accounts import selectors
from studyapp.core import audit
from studyapp.core.errors import StudyError
from studyapp.core.keys import secret_hash
from studyapp.models import Invitation, Membership, Project, Role

if TYPE_CHECKING:
    from django.contrib.auth.models import User

VALID = timedelta(days=7)


class ProjectError(StudyError):
    """A project cannot be created or changed as requested."""


def make(*, name: str, owner: User, may_start_runs: bool = True) -> Project:
    """Create a project with an owner. Raises `ProjectError` if the name is empty or taken."""
    name = " ".join(name.split())
    if not name:
        raise ProjectError("a project needs a name")
    try:
        with transaction.atomic():
            project = Project.objects.create(name=name[:100], may_start_runs=may_start_runs)
            Membership.objects.create(project=project, user=owner, role=Role.OWNER)
    except IntegrityError as error:
        raise ProjectError(f"a project named {name!r} already exists") from error
    audit.note(user=owner, action="made project", target=project, project=project)
    return project


def invite(*, project: Project, role: Role, note: str, by: User) -> tuple[Invitation, str]:
    """Create an invitation and return it with its secret, which is not stored."""
    secret = secrets.token_urlsafe(24)
    made = Invitation.objects.create(
        project=project, role=role, note=note[:100], secret_hash=secret_hash(secret), invited_by=by,
        expires_at=timezone.now() + VALID,
    )  # fmt: skip
    audit.note(user=by, action="invited", target=note or "somebody", project=project, role=role)
    return made, secret


def invitation(secret: str) -> Invitation | None:
    """Return the invitation with that secret, if it can still be accepted."""
    found = selectors.open_invitations().select_related("project")
    return found.filter(secret_hash=secret_hash(secret)).first()


@transaction.atomic
def accept(*, secret: str, user: User) -> Project:
    """Make the user a member. Raises `ProjectError` if the invitation is unknown or used up.

    A member who already has a higher role keeps it.
    """
    found = invitation(secret)
    taken = found and Invitation.objects.filter(pk=found.pk, accepted_at=None).update(
        accepted_at=timezone.now(), accepted_by=user
    )
    if found is None or not taken:
        raise ProjectError(
            "the invitation has been used or withdrawn, or has expired: ask for a new one"
        )
    ranks = [Role.VIEWER, Role.EDITOR, Role.OWNER]
    member, made = Membership.objects.get_or_create(
        project=found.project, user=user, defaults={"role": found.role}
    )
    if not made and ranks.index(Role(member.role)) < ranks.index(Role(found.role)):
        member.role = found.role
        member.save(update_fields=["role"])
    audit.note(user=user, action="joined", target=found.project, project=found.project,
               role=member.role)  # fmt: skip
    return found.project


@transaction.atomic
def change_role(*, project: Project, member: Membership, role: Role | None, by: User) -> None:
    """Change a member's role, or remove them. Raises `ProjectError` if no owner would be left."""
    # Lock the project's row, not the owners': two owners changing each other would deadlock.
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    try:
        member.refresh_from_db(fields=["role"])
    except Membership.DoesNotExist as error:
        raise ProjectError("that member has left the project in the meantime") from error
    others = project.memberships.filter(role=Role.OWNER).exclude(pk=member.pk)
    if role != Role.OWNER and member.role == Role.OWNER and not others.exists():
        raise ProjectError("a project needs at least one owner")
    who = member.user.get_username()
    if role is None:
        member.delete()
    else:
        member.role = role
        member.save(update_fields=["role"])
    audit.note(user=by, action="changed role", target=who, project=project, role=role or "none")


def withdraw_invitation(*, project: Project, pk: int, by: User) -> None:
    """Withdraw an invitation that has not been accepted."""
    open_ones = Invitation.objects.filter(pk=pk, project=project, accepted_at=None)
    if open_ones.update(revoked_at=timezone.now()):
        audit.note(user=by, action="withdrew invitation", target=pk, project=project)
