"""One run, shared by the labelers' tests."""

from __future__ import annotations

import pytest

from pipeline.context import SaeContext
from tests.pipeline.labelers.factory import Outside, make_context
from tests.pipeline.labelers.gemini import server


@pytest.fixture(autouse=True, scope="module")
def _named_again(outside: Outside) -> None:
    """Other modules have their own servers and leave their addresses in the environment."""
    server.name(outside.gemini_url)


@pytest.fixture(scope="package")
def context(tmp_path_factory: pytest.TempPathFactory, outside: Outside) -> SaeContext:
    """A context on five features, of which the last has no exemplars, all methods done."""
    return make_context(tmp_path_factory.mktemp("labelers"), outside)
