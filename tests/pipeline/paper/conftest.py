"""The sweep that the tests of this folder read, and the report of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.paper.build import build
from pipeline.progress import SilentProgress
from tests.pipeline.paper.factory import make_run


@pytest.fixture(scope="package")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The subject and its random control."""
    folder = tmp_path_factory.mktemp("sweep")
    return [make_run(folder / "trained"), make_run(folder / "random", control="random")]


@pytest.fixture(scope="package")
def report(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the command writes for both runs."""
    out = tmp_path_factory.mktemp("report") / "out"
    build(runs, out, probe=True, progress=SilentProgress(), permutations=0)
    return out
