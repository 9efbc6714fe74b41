"""A run for the wizard's tests."""

from __future__ import annotations

import pytest

from studyapp.models import Run
from tests.studyapp import factories


@pytest.fixture
def run() -> Run:
    run = factories.make_run()
    factories.make_features(run, count=6)
    factories.make_features(run, count=6, sae="layer3-n64-k4")
    return run
