"""For every test of the site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """A database in a file: one in memory is a single connection, which threads would share."""
    database: dict[str, Any] = settings.DATABASES["default"]
    database.setdefault("TEST", {})["NAME"] = str(Path(settings.DATA) / "test.sqlite3")


@pytest.fixture(scope="session", autouse=True)
def _plain_static_files() -> Iterator[None]:
    """Static files straight from the tree: hashed names need a collection step first.

    For the whole session, because a browser's last requests arrive after a test has ended.
    """
    Path(settings.STATIC_ROOT).mkdir(exist_ok=True)
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(STORAGES=settings.STORAGES | {"staticfiles": plain}):
        yield
