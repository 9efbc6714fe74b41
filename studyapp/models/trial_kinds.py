"""The kinds of trial: what is heard, what is asked, what can be chosen. A study has one kind.

To add one, touch these: its line in `TRIAL_KINDS`, and its name in `Study.OptionPolicy`; which
features can be in it, in `reasons_of` of `studies/services/drawing.py`; how its items are drawn, in
`WRITERS` of `studies/services/items.py`; the sounds of its practice and catch items, in `_variants`
of `studies/services/synthetic_items.py`; its default texts, in `texts/`; its words in the wizard,
in `TrialsForm` of `wizard/forms/design.py`; how simulated listeners answer it, in
`simulation/walk.py`. Pages, players, checks, events, order and exports follow from its line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from django.utils.translation import gettext_noop as _

MOST_CLIPS = 5
"""Columns that an item has for its sounds, and so the most that a trial can have."""
NONE = 0
"""What a page sends, in place of a position, for the answer that chooses nothing."""


@dataclass(frozen=True)
class Words:
    """What the page of a trial says, in English; each page translates it."""

    listen: str
    """Its heading."""
    question: str
    """May contain `{prompt}`, the label that the item asks about."""
    confidence: str
    own: str
    """Above the field for the participant's own words."""
    choose: str
    """The error if nothing was chosen."""
    listen_first: str
    """The error if a sound was not heard to the end."""
    none: str = ""
    """The answer that chooses nothing, where there can be one."""


@dataclass(frozen=True)
class TrialKind:
    """One kind of trial."""

    trial_type: str
    """Its name in exports."""
    clips: int
    """How many sounds a trial has."""
    positions: int
    """How many things there are to choose from: labels, or the sounds themselves."""
    words: Words
    has_target: bool = False
    """Whether one of them is the right answer, stored first in the item."""
    picks_sound: bool = False
    """Whether a sound is chosen, not a label. Each trial then has its own order of the sounds, in
    which the first stored one comes equally often at every position."""
    has_labels: bool = True
    """Whether it asks about labels; if not, the study has one condition, named like the kind."""
    steered: bool = False
    """Whether its sounds are clips that were generated with and without steering."""
    none_answer: str = ""
    """The name in exports of the answer that chooses nothing, if a study can offer one."""

    @property
    def numbers(self) -> range:
        """The numbers of its sounds, from 1."""
        return range(1, self.clips + 1)


Thing = TypeVar("Thing")


def in_order(stored: Sequence[Thing], order: Sequence[int], kind: TrialKind) -> list[Thing]:
    """An item's sounds, or what is known of each, in the order in which a trial plays them."""
    if not kind.picks_sound:
        return list(stored)
    return [stored[index] for index in order] + list(stored[len(order) :])


LABEL_WORDS = Words(
    listen=_("Listen to all three sounds"),
    question=_("Which name is closest to what all three sounds share?"),
    confidence=_("How confident are you that this name fits?"),
    own=_("Would you call it something else? (optional)"),
    choose=_("Choose one of the five names."),
    listen_first=_("Please listen to all three sounds to the end first."),
    none=_("None of these fits"),
)
PAIR_WORDS = Words(
    listen=_("Listen to both sounds"),
    question=_("Which of the two has more of {prompt}?"),
    confidence=_("How confident are you?"),
    own=_("What else differs between them? (optional)"),
    choose=_("Choose one of the two sounds."),
    listen_first=_("Please listen to both sounds to the end first."),
    none=_("No difference"),
)
INTRUDER_WORDS = Words(
    listen=_("Listen to all five sounds"),
    question=_("Which of the five does not belong with the others?"),
    confidence=_("How confident are you?"),
    own=_("What do the other four share? (optional)"),
    choose=_("Choose one of the five sounds."),
    listen_first=_("Please listen to all five sounds to the end first."),
)

TRIAL_KINDS: dict[str, TrialKind] = {
    "candidates": TrialKind(
        "label", clips=3, positions=5, words=LABEL_WORDS, none_answer="none_of_these"
    ),
    "identification": TrialKind(
        "identification", clips=3, positions=5, words=LABEL_WORDS, has_target=True,
        none_answer="none_of_these",
    ),
    "pair": TrialKind(
        "pair", clips=2, positions=2, words=PAIR_WORDS, picks_sound=True, steered=True,
        none_answer="no_difference",
    ),
    "intruder": TrialKind(
        "intruder", clips=5, positions=5, words=INTRUDER_WORDS, has_target=True, picks_sound=True,
        has_labels=False,
    ),
}  # fmt: skip
"""`Study.option_policy` → the kind."""
