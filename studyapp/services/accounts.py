"""Researchers' accounts."""

import json
import os
import secrets
from pathlib import Path

from django.contrib.auth import get_user_model


def machine_login(*, path: Path, name: str = "researcher") -> tuple[str, str]:
    """Name and password of this machine's researcher, made once and kept in `path`.

    The file is readable by its owner alone; the account is made, or set to it, where it differs.
    """
    if not path.exists():
        made = {"name": name, "password": secrets.token_urlsafe(12)}
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(made, file)
    login = json.loads(path.read_text(encoding="utf-8"))
    user, _ = get_user_model().objects.get_or_create(username=login["name"])
    if not user.check_password(login["password"]):
        user.set_password(login["password"])
    user.is_staff = user.is_superuser = True
    user.save()
    return login["name"], login["password"]
