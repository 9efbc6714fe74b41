"""How a simulated listener answers the sound checks, with or without headphones.

With headphones the right one of three is found with a known probability. Over loudspeakers Huggins
pitch does not arise, so the answer is a guess; and of three tones the one in antiphase seems the
softest, so the right one is hardly ever found.
"""

from dataclasses import dataclass
from random import Random

WITH_HEADPHONES = 0.97
OVER_LOUDSPEAKERS = {"huggins": 1 / 3, "antiphase": 0.1}
TONES_COUNTED = 0.95
"""Probability of counting the soft tones correctly."""


@dataclass(frozen=True)
class CheckSound:
    """A sound of a check, recognised by its bytes, and its right answer."""

    check: str
    """huggins, antiphase or tones."""
    answer: int


@dataclass(frozen=True)
class CheckListener:
    """How one listener answers the sound checks."""

    has_headphones: bool

    def find_interval(self, sound: CheckSound, rng: Random) -> int:
        """Which of three intervals the listener takes to be the right one."""
        right = WITH_HEADPHONES if self.has_headphones else OVER_LOUDSPEAKERS[sound.check]
        if rng.random() < right:
            return sound.answer
        return rng.choice([place for place in (1, 2, 3) if place != sound.answer])

    def count_tones(self, sound: CheckSound, rng: Random) -> int:
        """How many soft tones the listener counts, 2 to 5."""
        if rng.random() < TONES_COUNTED:
            return sound.answer
        return rng.choice([count for count in (2, 3, 4, 5) if count != sound.answer])
