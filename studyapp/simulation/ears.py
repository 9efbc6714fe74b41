"""How a simulated listener does in the sound checks: by whether headphones are worn, by chance.

Who wears headphones finds the right one of three with a known probability. Over loudspeakers
Huggins pitch is not there, so the answer is a guess, and of three tones the inverted one seems the
softest, so the right one is hardly ever found.
"""

from dataclasses import dataclass
from random import Random

WITH_HEADPHONES = 0.97
OVER_LOUDSPEAKERS = {"huggins": 1 / 3, "antiphase": 0.1}
TONES_COUNTED = 0.95
"""That soft tones are counted right."""


@dataclass(frozen=True)
class CheckSound:
    """What is known of a check's sound by its bytes."""

    check: str
    """huggins, antiphase or tones."""
    answer: int


@dataclass(frozen=True)
class Ears:
    """One listener's."""

    has_headphones: bool

    def find(self, sound: CheckSound, rng: Random) -> int:
        """Which of three intervals the listener takes for the right one."""
        right = WITH_HEADPHONES if self.has_headphones else OVER_LOUDSPEAKERS[sound.check]
        if rng.random() < right:
            return sound.answer
        return rng.choice([place for place in (1, 2, 3) if place != sound.answer])

    def count(self, sound: CheckSound, rng: Random) -> int:
        """How many soft tones the listener counts, 2 to 5."""
        if rng.random() < TONES_COUNTED:
            return sound.answer
        return rng.choice([count for count in (2, 3, 4, 5) if count != sound.answer])
