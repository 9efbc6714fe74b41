"""How stages report their progress: a bar on the command line, a database row on the site."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Never, Protocol

if TYPE_CHECKING:
    from tqdm import tqdm


class Progress(Protocol):
    """What a stage calls to report its progress. Every `start` is followed by one `finish`.

    A stage may report several pieces of work one after another, never two at once.
    """

    def start(self, stage: str, total: int, unit: str) -> None:
        """Begin a piece of work of `total` steps (0 if not known), counted in `unit`s ("track")."""

    def advance(self, n: int = 1) -> None:
        """Report that `n` more steps are done."""

    def note(self, text: str) -> None:
        """Report one line of text for a person to read."""

    def finish(self) -> None:
        """End the piece of work that was started."""


class SilentProgress:
    """Shows nothing, for tests."""

    def start(self, stage: str, total: int, unit: str) -> None:
        """Do nothing."""

    def advance(self, n: int = 1) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""


class PieceSteps(SilentProgress):
    """Reports the steps of a piece of a stage, but never more than its size; keeps the notes."""

    def __init__(self, advance: Callable[[int], None], size: int) -> None:
        self._advance, self._left = advance, size
        self.notes: list[str] = []

    def advance(self, n: int = 1) -> None:
        """Report what still fits."""
        steps = min(n, self._left)
        self._left -= steps
        if steps:
            self._advance(steps)

    def note(self, text: str) -> None:
        """Keep the line for the end of the stage."""
        self.notes.append(text)

    def complete(self) -> None:
        """Report the steps that are left."""
        self.advance(self._left)


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
        """Advance the bar by `n` steps."""
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
