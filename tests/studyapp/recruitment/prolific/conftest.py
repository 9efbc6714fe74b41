"""A local Prolific that sends messages, and a study with one place per condition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache

from studyapp.models import Study
from studyapp.recruitment.services import configuration
from tests.studyapp.factories import make_study
from tests.studyapp.recruitment.prolific.people import CODES, SECRET
from tests.studyapp.recruitment.prolific_server import TOKEN, Prolific
from tests.studyapp.recruitment.prolific_server import prolific as prolific_server


@pytest.fixture
def service(settings: Any) -> Iterator[Prolific]:
    cache.clear()
    with prolific_server() as server:
        settings.PROLIFIC_API = server.url
        settings.PROLIFIC_TOKEN = TOKEN
        settings.PROLIFIC_WEBHOOK_SECRET = SECRET
        yield server


@pytest.fixture
def study() -> Study:
    """A study with one place per condition."""
    study = make_study(features=3, trials_per_participation=3, codes=CODES)
    configuration.configure(study=study, service="prolific", external_study="their-study")
    return study
