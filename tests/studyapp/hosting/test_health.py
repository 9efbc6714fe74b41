from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from studyapp.hosting import health

pytestmark = pytest.mark.django_db


def test_a_container_asks_itself_under_no_name_and_without_https(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["study.example.org"]
    settings.SECURE_SSL_REDIRECT = True
    client = Client(headers={"host": "127.0.0.1:8000"})
    assert client.get("/healthz").content == b"ok"
    assert client.get("/readyz").status_code == 200
    assert client.get("/login/", headers={"x-forwarded-proto": "https"}).status_code != 200


def test_a_disk_that_is_nearly_full_is_not_ready(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.get("/readyz").json()["disk_space"] == "ok"
    monkeypatch.setattr(health, "MIN_FREE_BYTES", 10**18)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["disk_space"]) == (503, "failed")


def test_a_folder_that_is_not_writable_is_not_ready(client: Client, settings: Any) -> None:
    """Permissions allow writing, but the disk is full or mounted read-only."""
    settings.DATA = Path("/proc")
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["data_folder"]) == (503, "failed")
