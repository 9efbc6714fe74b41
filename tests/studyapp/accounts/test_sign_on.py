"""Login through OpenID Connect: off by default, for connected accounts, never a new account."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client
from django.urls import NoReverseMatch, reverse

from tests.studyapp.accounts.oidc_server import CLIENT, SECRET, service


def run(code: list[str], folder: Path, **given: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment |= {
        "EARWITNESS_DATA": str(folder), "EARWITNESS_HOSTS": "testserver",
        "DJANGO_SETTINGS_MODULE": "studyapp.settings", **given,
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, *code], env=environment, capture_output=True, text=True, check=False
    )


def test_it_is_off_unless_the_environment_names_a_service(client: Client, db: None) -> None:
    with pytest.raises(NoReverseMatch):
        reverse("openid_connect_login", args=["oidc"])
    assert "Log in through" not in client.get("/login/").text


def test_a_connected_account_logs_in_through_a_real_service_and_a_stranger_does_not(
    tmp_path: Path,
) -> None:
    with service() as server:
        done = run(
            ["-m", "tests.studyapp.accounts.sign_on_walk"], tmp_path,
            EARWITNESS_OIDC_URL=server.url, EARWITNESS_OIDC_NAME="ORCID",
            EARWITNESS_OIDC_CLIENT=CLIENT, EARWITNESS_OIDC_SECRET=SECRET,
            EARWITNESS_DEBUG="true",  # Static files need not be collected.
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said == dict.fromkeys(
        ("button", "stranger", "accounts", "connected", "logged_in", "disconnected"), True
    )


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    done = run(
        ["-c", "from django.conf import settings; settings.DEBUG"], tmp_path,
        EARWITNESS_OIDC_URL="https://orcid.org",
    )  # fmt: skip
    assert done.returncode != 0
    assert "needs EARWITNESS_OIDC_CLIENT" in done.stderr
