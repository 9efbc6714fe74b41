"""Checks of the installation for `manage.py check --deploy`, in addition to Django's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks


@checks.register(deploy=True)
def data_folder_is_private(**_: Any) -> list[checks.CheckMessage]:
    """Warn if other users of this machine can read the data folder and the secrets in it."""
    mode = Path(settings.DATA).stat().st_mode
    if not mode & 0o007:
        return []
    return [
        checks.Warning(
            f"{settings.DATA} is open to every user of this machine",
            hint=f"chmod 700 {settings.DATA} (750 where a proxy of its group reads media)",
            id="studyapp.W001",
        )
    ]
