"""One run with labels, shared by the scorers' tests."""

from __future__ import annotations

import pytest

from pipeline.labelers.base import LabelingContext, open_context
from pipeline.progress import SilentProgress
from pipeline.stages import labels
from tests.pipeline.labelers.factory import SAE, make_run


@pytest.fixture(scope="package")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> LabelingContext:
    """A context whose stage `labels` is done."""
    config, directory = make_run(tmp_path_factory.mktemp("scorers"))
    labels.run(config, directory, progress=SilentProgress())
    return open_context(config, directory, SAE, progress=SilentProgress())
