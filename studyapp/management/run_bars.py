"""Shows a run's progress as bars on the terminal."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import NoReturn, Self

from tqdm import tqdm

from studyapp.models import StageRecord

WIDTH = 11


class RunBars:
    """One bar per stage, opened when the stage begins and left on the screen when it ends."""

    def __init__(self) -> None:
        self._bars: dict[str, tqdm[NoReturn]] = {}
        self._closed: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for bar in self._bars.values():
            bar.close()

    def show(self, stages: Sequence[StageRecord]) -> None:
        """Update the bars from the rows. Stages that were done at the first call have no bar."""
        for stage in stages:
            if stage.state == StageRecord.State.WAITING or stage.stage in self._closed:
                continue
            if stage.state == StageRecord.State.RUNNING or stage.stage in self._bars:
                self._move(stage)
            if stage.state != StageRecord.State.RUNNING:
                self._close(stage)

    def wait(self, seconds: float) -> None:
        """Wait, while the running bar's clock is refreshed."""
        for bar in self._bars.values():
            bar.refresh()
        time.sleep(seconds)

    def _move(self, stage: StageRecord) -> None:
        if stage.stage not in self._bars:
            self._bars[stage.stage] = tqdm(desc=stage.stage.ljust(WIDTH), smoothing=0.1)
        bar = self._bars[stage.stage]
        # A stage does several pieces of work, each with its own total.
        bar.total, bar.n, bar.unit = stage.total or None, stage.done, f" {stage.unit}"
        bar.set_postfix_str(stage.note, refresh=False)

    def _close(self, stage: StageRecord) -> None:
        self._closed.add(stage.stage)
        bar = self._bars.pop(stage.stage, None)
        if bar is not None:
            bar.close()
