"""A study at a local Prolific, and who may spend money on it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache

from studyapp.models import Study
from studyapp.recruitment.services import configuration, prolific_http
from tests.studyapp.factories import make_study
from tests.studyapp.recruitment.asked import CODES
from tests.studyapp.recruitment.prolific_server import STUDY, TOKEN, Prolific
from tests.studyapp.recruitment.prolific_server import prolific as prolific_server


@pytest.fixture
def service(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Prolific]:
    cache.clear()
    monkeypatch.setattr(prolific_http, "WAITS", ())
    with prolific_server() as server:
        settings.PROLIFIC_API = server.url
        settings.PROLIFIC_TOKEN = TOKEN
        server.submit("ann", "s-ann", "AWAITING REVIEW")
        server.study(STUDY)
        yield server


@pytest.fixture
def study() -> Study:
    study = make_study(features=3, trials_per_participation=3, codes=CODES)
    configuration.configure(
        study=study, service="prolific", external_study=STUDY, payment=Decimal("2.00"),
        currency="GBP",
    )  # fmt: skip
    return study


@pytest.fixture
def boss() -> User:
    return User.objects.create_superuser("boss", password="x")
