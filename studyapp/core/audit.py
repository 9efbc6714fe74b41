"""The audit trail: who did what to what, and when; one row per action, never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studyapp.models import AuditRecord, Project

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


def note(
    *,
    user: User | AnonymousUser | None,
    action: str,
    target: object,
    project: Project | None = None,
    **detail: Any,
) -> AuditRecord:
    """Record an action. `target` is stored as text; `detail` has plain values and no secrets."""
    known = user if user is not None and user.is_authenticated else None
    return AuditRecord.objects.create(
        user=known,
        who=known.get_username() if known else "nobody",
        action=action,
        target=str(target)[:150],
        project=project,
        detail=detail,
    )
