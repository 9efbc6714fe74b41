"""What names mean, and how well a name fits what a listener hears in three clips.

What can be heard in a clip is given by its track's tags. A concept shared by all three clips has
weight 1, one shared by two 4/9, one in a single clip 1/9: the share squared, since the question is
what *all three* have in common. A name means the concept that it names, or those for which it
contains a synonym, or those listed in `phrases`. It fits as well as the heaviest of its concepts,
and not at all if none is heard.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from studyapp.core.text import fold
from studyapp.simulation.phrases import PHRASES


class Vocabulary:
    """What names mean: the run's concepts with their synonyms, and the phrases."""

    def __init__(self, concepts: Iterable[Mapping[str, Any]]) -> None:
        self._synonyms: dict[str, set[str]] = {}
        self._names: set[str] = set()
        for concept in concepts:
            name = fold(concept["name"])
            self._names.add(name)
            for text in (name, *concept.get("synonyms", ())):
                self._synonyms.setdefault(fold(text), set()).add(name)
        patterns = sorted(self._synonyms, key=len, reverse=True)
        # Longest first, so that "electric piano" is not mistaken for a piano.
        joined = "|".join(re.escape(text) for text in patterns) or r"(?!)"
        self._pattern = re.compile(rf"(?<!\w)(?:{joined})(?!\w)")

    def meaning(self, name: str) -> frozenset[str]:
        """The concepts that the name can mean; without any, the name counts as a tag itself."""
        text = fold(name)
        if text in PHRASES:
            return frozenset(PHRASES[text]) & self._names or frozenset({text})
        if text in self._synonyms:
            return frozenset(self._synonyms[text])
        found = (self._synonyms[match] for match in self._pattern.findall(text))
        return frozenset().union(*found) or frozenset({text})

    def fits(self, tags: Sequence[Sequence[str]], names: Sequence[str]) -> list[float]:
        """How well each name fits what the clips with these tags share, 0 to 1."""
        heard = weights(tags)
        return [
            max((heard.get(concept, 0.0) for concept in self.meaning(name)), default=0.0)
            for name in names
        ]


def weights(tags: Sequence[Sequence[str]]) -> dict[str, float]:
    """Concept → the squared share of the clips that have it."""
    counts = Counter(fold(tag) for clip in tags for tag in set(clip))
    return {concept: (n / len(tags)) ** 2 for concept, n in counts.items()}
