"""The steps of a participation: one list, of which a study has some; which is frozen with it.

To add a step, touch these: its name in `STEPS`, when it is done in `selectors/participation.py`,
its page in `views/` and `urls.py`, its template, how simulated listeners pass it in `simulation/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class Step(StrEnum):
    """Where a participation stands: the page that it sees; also the name of that page's URL."""

    CONSENT = "consent"
    DEVICE = "device"
    VOLUME = "volume"
    HEADPHONES = "headphones"
    INSTRUCTIONS = "instructions"
    PRACTICE = "practice"
    TRIAL = "trial"
    QUESTIONNAIRE = "questionnaire"
    THANKS = "thanks"
    ENDED = "ended"


STEPS = (
    Step.CONSENT,
    Step.DEVICE,
    Step.VOLUME,
    Step.HEADPHONES,
    Step.INSTRUCTIONS,
    Step.PRACTICE,
    Step.TRIAL,
    Step.QUESTIONNAIRE,
)
"""What a study can have, in the one order in which steps come. `thanks` and `ended` come of
themselves."""
NEEDED = (Step.CONSENT, Step.INSTRUCTIONS, Step.TRIAL)
"""What every study has; the paper's study has no more."""


def default_steps() -> list[str]:
    """Of a new study: everything."""
    return all_steps()


def all_steps() -> list[str]:
    """Every step that there is."""
    return [step.value for step in STEPS]


def paper_steps() -> list[str]:
    """What Singh, Cherep and Maes describe: consent, instructions, trials."""
    return [step.value for step in NEEDED]


def problem_with(steps: Sequence[str]) -> str:
    """Why these cannot be a study's steps, as one line; empty if they can."""
    unknown = [step for step in steps if step not in STEPS]
    if unknown:
        return f"there is no step {unknown[0]!r}: known are {', '.join(STEPS)}"
    missing = [step.value for step in NEEDED if step not in steps]
    if missing:
        return f"every study needs the step {missing[0]}"
    if list(steps) != [step for step in STEPS if step in steps]:
        return f"steps come once each and in this order: {', '.join(STEPS)}"
    return ""
