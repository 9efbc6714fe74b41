"""The questions after the trials; participants may skip any of them.

Musical training is asked in our own words, or by the Goldsmiths Musical Sophistication Index
(Müllensiefen, Gingras, Musil and Stewart, PLOS ONE 2014), Musical Training: seven numbered items.
Their wording, and the right to use it, comes from the researcher, in every language of the study.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise

GOLD_MSI_ITEMS = (14, 27, 32, 33, 35, 36, 37)
"""The subscale Musical Training of the Gold-MSI, version 1.0: seven answers per item."""
GOLD_MSI_REVERSED = frozenset({14, 27})
GOLD_MSI_STEPS = 7


@dataclass(frozen=True)
class Question:
    """One question with its answers: code → text. The code is stored and exported."""

    name: str
    text: Text
    answers: tuple[tuple[str, Text], ...]
    language: str = ""
    """Of the researcher's wording; empty for our own, which is in the language of the page."""


NOT_SAID = ("not_said", _("I prefer not to say"))

AGE = Question(
    "age_band",
    _("How old are you?"),
    (
        ("18-24", _("18 to 24")),
        ("25-34", _("25 to 34")),
        ("35-44", _("35 to 44")),
        ("45-54", _("45 to 54")),
        ("55-64", _("55 to 64")),
        ("65+", _("65 or older")),
        NOT_SAID,
    ),
)
DEVICE = Question(
    "listening_device",
    _("What did you listen with?"),
    (
        ("over_ear", _("Headphones over or on the ears")),
        ("in_ear", _("Earphones in the ears")),
        ("loudspeakers", _("Separate loudspeakers")),
        ("built_in", _("The loudspeakers of the computer or phone")),
        ("other", _("Something else")),
        NOT_SAID,
    ),
)
YEARS = (
    ("0", _("None")),
    ("1", _("Up to 2 years")),
    ("2", _("3 to 5 years")),
    ("3", _("6 to 10 years")),
    ("4", _("More than 10 years")),
)
OWN_TRAINING = (
    Question(
        "training_lessons",
        _("For how many years have you had lessons on an instrument or in singing?"),
        (*YEARS, NOT_SAID),
    ),
    Question(
        "training_playing",
        _("For how many years have you played or sung regularly?"),
        (*YEARS, NOT_SAID),
    ),
    Question(
        "training_theory",
        _("How well can you read music or name what you hear in musical terms?"),
        (
            ("0", _("Not at all")),
            ("1", _("A little")),
            ("2", _("Fairly well")),
            ("3", _("Well")),
            ("4", _("As a professional")),
            NOT_SAID,
        ),
    ),
)
"""Our own three questions, 0 to 4 points each."""


def of_study(questions: Mapping[str, Any], language: str) -> tuple[Question, ...]:
    """Every question of a study with these `Study.questions`, in that language."""
    return (AGE, DEVICE, *training(questions, language))


def training(questions: Mapping[str, Any], language: str) -> tuple[Question, ...]:
    """The questions on musical training."""
    if questions.get("musical_training") != "gold-msi":
        return OWN_TRAINING
    wording = questions["wording"]
    spoken = language if language in wording else next(iter(wording))
    return tuple(
        _gold_msi(number, wording[spoken][str(number)], spoken) for number in GOLD_MSI_ITEMS
    )


def training_score(answers: Mapping[str, str], questions: Mapping[str, Any]) -> int | None:
    """Points of musical training: our own 0 to 12, Gold-MSI 7 to 49; None if one was skipped."""
    asked = training(questions, "")
    points = [_points(question.name, answers.get(question.name, "")) for question in asked]
    known = [point for point in points if point is not None]
    return sum(known) if len(known) == len(asked) else None


def problem_with(questions: Mapping[str, Any], languages: list[str]) -> str:
    """Why these cannot be a study's `questions`, in one line; empty if they can."""
    kind = questions.get("musical_training", "own")
    if kind not in ("own", "gold-msi"):
        return f"musical_training is {kind!r}: it must be own or gold-msi"
    if kind == "own":
        return ""
    wording = questions.get("wording", {})
    for language in languages:
        for number in GOLD_MSI_ITEMS:
            item = wording.get(language, {}).get(str(number), {})
            if not item.get("text") or len(item.get("answers", ())) != GOLD_MSI_STEPS:
                return f"gold-msi needs your wording of item {number} in {language}: " + (
                    f"a text and {GOLD_MSI_STEPS} answers"
                )
    return ""


def wording_of(text: str) -> dict[str, Any]:
    """The Gold-MSI wording of a language, from text: one paragraph per item, in order of their
    numbers. Its first line is the item, the others are the seven answers.

    Raises `ValueError`, which names what is missing.
    """
    paragraphs = [part.strip().split("\n") for part in re.split(r"\n\s*\n", text.strip())]
    if len(paragraphs) != len(GOLD_MSI_ITEMS):
        raise ValueError(
            f"There are {len(paragraphs)} paragraphs: Musical Training has {len(GOLD_MSI_ITEMS)} "
            "items, with an empty line between them."
        )
    wording = {}
    for number, (item, *answers) in zip(GOLD_MSI_ITEMS, paragraphs, strict=True):
        if len(answers) != GOLD_MSI_STEPS:
            raise ValueError(
                f"Item {number} has {len(answers)} answers below it: {GOLD_MSI_STEPS} are needed, "
                "one per line."
            )
        wording[str(number)] = {"text": item.strip(), "answers": [a.strip() for a in answers]}
    return wording


def wording_as_text(wording: Mapping[str, Any]) -> str:
    """The inverse of `wording_of`."""
    items = [wording[str(number)] for number in GOLD_MSI_ITEMS]
    return "\n\n".join("\n".join([item["text"], *item["answers"]]) for item in items)


def _gold_msi(number: int, item: Mapping[str, Any], language: str) -> Question:
    answers = tuple((str(step), text) for step, text in enumerate(item["answers"], start=1))
    return Question(f"gold_msi_{number}", item["text"], (*answers, NOT_SAID), language)


def _points(name: str, code: str) -> int | None:
    if not code.isdecimal():
        return None
    number = int(name.removeprefix("gold_msi_")) if name.startswith("gold_msi_") else 0
    return GOLD_MSI_STEPS + 1 - int(code) if number in GOLD_MSI_REVERSED else int(code)
