"""Fixtures for every test of the site."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client, override_settings


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Keep SQLite in a file: an in-memory database has one connection, which threads would share.

    On PostgreSQL each test process has its own database.
    """
    database: dict[str, Any] = settings.DATABASES["default"]
    is_sqlite = database["ENGINE"].endswith("sqlite3")
    own = f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'one')}"
    name = str(Path(settings.DATA) / "test.sqlite3") if is_sqlite else own
    database.setdefault("TEST", {})["NAME"] = name


@pytest.fixture(scope="session", autouse=True)
def _plain_static_files() -> Iterator[None]:
    """Serve static files straight from the tree, since hashed names need a collection step first.

    This lasts the whole session, because a browser's last requests arrive after a test has ended.
    """
    Path(settings.STATIC_ROOT).mkdir(exist_ok=True)
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(STORAGES=settings.STORAGES | {"staticfiles": plain}):
        yield


@pytest.fixture(scope="session", autouse=True)
def _fast_passwords() -> Iterator[None]:
    """Hash passwords quickly: a quarter of a second for each user adds up to minutes."""
    fast = "django.contrib.auth.hashers.MD5PasswordHasher"
    with override_settings(PASSWORD_HASHERS=[fast, *settings.PASSWORD_HASHERS]):
        yield


@pytest.fixture(autouse=True)
def notified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Queues whose workers were notified; tests have no broker."""
    from studyapp.jobs.services import jobs

    queues: list[str] = []
    monkeypatch.setattr(jobs, "notify_workers", queues.append)
    return queues


@pytest.fixture
def researcher(client: Client) -> Client:
    """The browser of a logged-in administrator."""
    client.force_login(User.objects.create_superuser("ada", password="x"))
    return client
