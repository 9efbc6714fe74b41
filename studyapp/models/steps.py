"""The steps of a participation: one list, from which each study takes some; frozen with it.

To add a step, touch these: its name in `STEPS`; when it is done, in
`participation/selectors/participations.py`; how long it takes, in `STEP_SECONDS` of
`participation/selectors/passage.py`; how a preview skips it, in `_SKIP` of
`participation/services/preview.py`; its page in `participation/views/`, `urls.py` and
`templates/participant/`; its name in the wizard, in `STEP_NAMES` of `wizard/forms/checks.py`; how
simulated listeners answer it, in `simulation/walk.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class Step(StrEnum):
    """The page that a participation is at; also the name of that page's URL."""

    CONSENT = "consent"
    DEVICE = "device"
    VOLUME = "volume"
    HEADPHONES = "headphones"
    HEARING = "hearing"
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
    Step.HEARING,
    Step.INSTRUCTIONS,
    Step.PRACTICE,
    Step.TRIAL,
    Step.QUESTIONNAIRE,
)
"""The steps that a study can have, in their fixed order. `thanks` and `ended` cannot be chosen."""
NEEDED = (Step.CONSENT, Step.INSTRUCTIONS, Step.TRIAL)
"""The steps that every study has; the paper's study has no others."""


def default_steps() -> list[str]:
    """The steps of a new study: all of them."""
    return all_steps()


def all_steps() -> list[str]:
    """All steps that can be chosen: `hearing` follows from the setting `watch_machines`."""
    return [step.value for step in STEPS if step != Step.HEARING]


def with_hearing(steps: Sequence[str], *, wanted: bool) -> list[str]:
    """The steps with the two questions that only listening answers, or without them.

    Everything else stays as it is, so that `problem_with` sees what was given.
    """
    rest = [step for step in steps if step != Step.HEARING]
    later = STEPS[STEPS.index(Step.HEARING) + 1 :]
    place = next((n for n, step in enumerate(rest) if step in later), len(rest))
    return [*rest[:place], Step.HEARING.value, *rest[place:]] if wanted else rest


def paper_steps() -> list[str]:
    """What Singh, Cherep and Maes describe: consent, instructions, trials."""
    return [step.value for step in NEEDED]


def problem_with(steps: Sequence[str]) -> str:
    """Why these cannot be a study's steps, as one line; empty if they can."""
    unknown = [step for step in steps if step not in STEPS]
    if unknown:
        return f"there is no step {unknown[0]!r}; known: {', '.join(STEPS)}"
    missing = [step.value for step in NEEDED if step not in steps]
    if missing:
        return f"every study needs the step {missing[0]}"
    if list(steps) != [step for step in STEPS if step in steps]:
        return f"each step comes once, in this order: {', '.join(STEPS)}"
    return ""
