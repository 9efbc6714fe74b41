"""A researcher's account at the OpenID Connect service, if the environment names one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.db.models import QuerySet

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def is_connected(user: User) -> bool:
    """Whether the user can log in through the service."""
    return bool(settings.OIDC_URL) and _of(user).exists()


def disconnect(*, user: User) -> None:
    """Forget the user's account there."""
    _of(user).delete()


def _of(user: User) -> QuerySet[Any]:
    # Not imported: without the service, allauth has no such table.
    accounts: Any = apps.all_models["socialaccount"]["socialaccount"]
    found: QuerySet[Any] = accounts.objects.filter(user=user)
    return found
