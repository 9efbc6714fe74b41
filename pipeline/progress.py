"""How far a stage is, told to whoever watches: a bar on the command line, a row on the site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Never, Protocol

if TYPE_CHECKING:
    from tqdm import tqdm


class Progress(Protocol):
    """What a stage tells while it works. Every `start` is followed by one `finish`.

    A stage may start several pieces of work one after another, never two at once.
    """

    def start(self, stage: str, total: int, unit: str) -> None:
        """A piece of work begins: `total` steps of `unit` ("track", "step"); 0 if not known."""

    def advance(self, n: int = 1) -> None:
        """`n` further steps are done."""

    def note(self, text: str) -> None:
        """One line that a person may want to read."""

    def finish(self) -> None:
        """The piece of work that was started is over."""


class SilentProgress:
    """Says nothing: for tests, and for callers that watch by other means."""

    def start(self, stage: str, total: int, unit: str) -> None:
        """Nothing is shown."""

    def advance(self, n: int = 1) -> None:
        """Nothing is shown."""

    def note(self, text: str) -> None:
        """Nothing is shown."""

    def finish(self) -> None:
        """Nothing is shown."""


class TqdmProgress:
    """A bar on standard error for each piece of work."""

    def __init__(self) -> None:
        self._bar: tqdm[Never] | None = None

    def start(self, stage: str, total: int, unit: str) -> None:
        """Open a bar named after the stage."""
        from tqdm import tqdm

        self.finish()
        self._bar = tqdm(total=total or None, desc=stage, unit=f" {unit}", smoothing=0.1)

    def advance(self, n: int = 1) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(n)

    def note(self, text: str) -> None:
        """Print the line above the bar."""
        from tqdm import tqdm

        tqdm.write(text)

    def finish(self) -> None:
        """Close the bar, leaving its last state on the screen."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
