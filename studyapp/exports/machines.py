"""Signs that a program, not a person, took part: from how the pages were used, never from content.

Only studies with the setting `watch_machines` have them, and their consent page says so. A sign is
no proof: assistive technology, a quiet mouse or a bad ear gives some of them too. A participation
with `THRESHOLD` signs or more gets the flag `machine_like`, which excludes nobody. How often
people, people with assistive technology, and programs would be flagged is simulated by
`python -m benchmarks.machines.signs`. A program that was made to imitate a person's use of the page
and that can hear has none of these signs.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FLAG = "machine_like"
THRESHOLD = 3
"""Signs from which a participation is flagged."""
SOME_SHARE = 0.5
"""A sign of single trials counts if it is in this share of them."""
LEAST_TRIALS = 3
"""Signs of single trials need this many."""
AT_ONCE_MS = 400
"""Nobody finds and presses the button this soon after the last sound has ended, trial by trial."""
MOVES_PER_PRESS = 2
"""A hand moves the mouse on its way to a button; a program moves it there at once."""
LEAST_KEYS = 12
EVEN_TYPING = 0.2
"""Interquartile range of the times between keys, over their median: under it, typing is even."""
EVEN_TIMES = 0.08
"""The same for the times between the sounds' end and the answer."""
LEAST_TEXT = 3
"""Characters of a text that must have been typed, or pasted."""

SIGNS = {
    "pasted": "pasted text into the field for an own label",
    "untyped": "the field for an own label was filled without keys",
    "even_typing": "typed with even pauses",
    "no_movement": "pressed the mouse without moving it there",
    "no_input": "changed the page without key, touch or mouse",
    "at_once": "answered the moment the last sound ended",
    "even_times": "answered after the same time in every trial",
    "no_focus": "answered while the page did not have the focus",
    "wrong_tone": "did not hear which of three tones is the highest",
    "wrong_beats": "did not count the beats of a drum",
}
"""Sign → what happened, in words."""


@dataclass(frozen=True)
class WatchedTrial:
    """What one trial's page reported."""

    after_ms: float | None
    """From the end of the sound that ended last to the answer; None if it is not known."""
    text: int = 0
    """Characters of the listener's own label."""
    pastes: int = 0
    keys: int = 0
    interval_ms: float | None = None
    """Median time between keys."""
    spread_ms: float | None = None
    """Interquartile range of these times."""
    moves: int = 0
    presses: int = 0
    had_input: bool = True
    had_focus: bool = True


@dataclass(frozen=True)
class Watched:
    """What a participation's pages reported."""

    trials: Sequence[WatchedTrial]
    targets: Mapping[str, int] = field(default_factory=dict)
    """Right answers of the two questions that only listening answers."""
    given: Mapping[str, int] = field(default_factory=dict)
    """The answers to them."""

    def was_right(self, question: str) -> bool | None:
        """Whether a question was answered right; None if it was not answered."""
        if question not in self.given or question not in self.targets:
            return None
        return self.given[question] == self.targets[question]


def signs(watched: Watched) -> list[str]:
    """The signs of a participation, in the order of `SIGNS`."""
    trials = watched.trials
    typed = [one for one in trials if one.text >= LEAST_TEXT]
    pressed = [one for one in trials if one.presses]
    times = [one.after_ms for one in trials if one.after_ms is not None]
    found = {
        "pasted": any(one.pastes for one in trials),
        "untyped": any(one.keys < one.text / 2 and not one.pastes for one in typed),
        "even_typing": _types_evenly(trials),
        "no_movement": _mostly([one.moves <= MOVES_PER_PRESS * one.presses for one in pressed]),
        "no_input": _mostly([not one.had_input for one in trials]),
        "at_once": _mostly([0 <= time < AT_ONCE_MS for time in times]),
        "even_times": len(times) >= LEAST_TRIALS and _spread(times) < EVEN_TIMES,
        "no_focus": _mostly([not one.had_focus for one in trials]),
        "wrong_tone": watched.was_right("highest") is False,
        "wrong_beats": watched.was_right("beats") is False,
    }
    return [name for name in SIGNS if found[name]]


def is_flagged(found: Sequence[str], threshold: int = THRESHOLD) -> bool:
    """Whether these signs are enough for the flag."""
    return len(found) >= threshold


def _types_evenly(trials: Sequence[WatchedTrial]) -> bool:
    """Over the trials with enough keys: the median of spread over interval."""
    shares = [
        one.spread_ms / one.interval_ms
        for one in trials
        if one.keys >= LEAST_KEYS and one.interval_ms and one.spread_ms is not None
    ]
    return bool(shares) and statistics.median(shares) < EVEN_TYPING


def _mostly(those: Sequence[bool]) -> bool:
    return len(those) >= LEAST_TRIALS and sum(those) >= SOME_SHARE * len(those)


def _spread(times: Sequence[float]) -> float:
    """Interquartile range over median; large if the median is not above zero."""
    low, middle, high = statistics.quantiles(times, n=4)
    return (high - low) / middle if middle > 0 else float("inf")
