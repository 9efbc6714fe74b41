"""A corpus's descriptors: order, failures, processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from pipeline.progress import SilentProgress
from pipeline.signal.describe import DESCRIPTORS, describe
from pipeline.signal.table import Excerpt, measure
from tests.pipeline.signal.sounds import RATE, sine


class Notes(SilentProgress):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.steps = 0
        self.said: list[str] = []

    def advance(self, n: int = 1) -> None:
        self.steps += n

    def note(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def excerpts(tmp_path: Path) -> list[Excerpt]:
    """Two readable files and one that is not sound."""
    for name, hertz in (("a", 200.0), ("b", 900.0)):
        sf.write(tmp_path / f"{name}.flac", sine(hertz, 3.0), RATE)
    (tmp_path / "c.flac").write_bytes(b"not sound")
    return [Excerpt(name, tmp_path / f"{name}.flac", 0.5, 2.0) for name in "abc"]


def test_a_row_a_track_in_order_and_none_for_what_cannot_be_read(excerpts: list[Excerpt]) -> None:
    progress = Notes()
    table = measure(excerpts, stage="labels", workers=1, progress=progress)
    assert table.column_names == ["track", *DESCRIPTORS]
    assert table.column("track").to_pylist() == ["a", "b", "c"]
    expected = describe(sine(900.0, 3.0)[RATE // 2 : RATE // 2 + 2 * RATE], RATE)
    assert table.column("register")[1].as_py() == pytest.approx(expected["register"], abs=0.1)
    assert np.isnan(table.column("register")[2].as_py())
    assert progress.steps == 3
    assert "1 of 3 tracks have no descriptors, the first c" in progress.said[0]


def test_processes_change_nothing(excerpts: list[Excerpt]) -> None:
    alone = measure(excerpts, stage="labels", workers=1, progress=Notes())
    together = measure(excerpts, stage="labels", workers=2, progress=Notes())
    for name in alone.column_names:
        assert repr(together.column(name).to_pylist()) == repr(alone.column(name).to_pylist())
