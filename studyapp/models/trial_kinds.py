"""The kinds of trial: what is heard, what is asked, what can be chosen. A study has one kind.

To add one, touch these: its line in `TRIAL_KINDS`, and its name in `Study.OptionPolicy`; how its
items are made, in `studies/services/items.py`; its words in the wizard, in `TrialsForm` of
`wizard/forms/design.py`. Pages, players, checks, events and exports follow from its line.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext_noop as _

MOST_CLIPS = 3
"""Columns that an item has for its sounds, and so the most that a trial can have."""


@dataclass(frozen=True)
class Words:
    """What the page of a trial says, in English; each page translates it."""

    listen: str
    """Its heading."""
    question: str
    confidence: str
    choose: str
    """The error if nothing was chosen."""
    listen_first: str
    """The error if a sound was not heard to the end."""


@dataclass(frozen=True)
class TrialKind:
    """One kind of trial."""

    trial_type: str
    """Its name in exports."""
    clips: int
    """How many sounds a trial has."""
    positions: int
    """How many things there are to choose from."""
    has_target: bool
    """Whether one of them is the right answer, stored first in the item."""
    words: Words

    @property
    def numbers(self) -> range:
        """The numbers of its sounds, from 1."""
        return range(1, self.clips + 1)


LABEL_WORDS = Words(
    listen=_("Listen to all three sounds"),
    question=_("Which name is closest to what all three sounds share?"),
    confidence=_("How confident are you that this name fits?"),
    choose=_("Choose one of the five names."),
    listen_first=_("Please listen to all three sounds to the end first."),
)

TRIAL_KINDS: dict[str, TrialKind] = {
    "candidates": TrialKind("label", clips=3, positions=5, has_target=False, words=LABEL_WORDS),
    "identification": TrialKind(
        "identification", clips=3, positions=5, has_target=True, words=LABEL_WORDS
    ),
}
"""`Study.option_policy` → the kind."""
