"""A researcher's own questions after the trials, written as text, without code.

One paragraph per question: `NAME (KIND): TEXT`, its answers below it, one per line, such as

    hours (number 0 to 100): How many hours a week do you listen to music?

    genre (choice): What do you listen to most?
    Pop
    Classical music

    focus (scale 1 to 7): How well could you concentrate?
    Not at all
    Very well

and `text` for an answer in words. Each language has the same questions in its own words. Stored in
`Study.own_questions` as a list of {"name", "kind", "low", "high", "texts": {language: {"text",
"answers"}}}. An answer is stored and exported under `q_NAME`: of a choice its number, from 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KINDS = ("text", "number", "choice", "scale")
MOST_QUESTIONS = 30
MOST_CHOICES = 20
MOST_POINTS = 11
LONGEST_TEXT = 500
LONGEST_ANSWER = 500
"""Of an answer in words, characters."""
PREFIX = "q_"
HEAD = re.compile(
    r"(?P<name>[^\s(]+)\s*\(\s*(?P<kind>\w+)(?:\s+(?P<low>-?\d+)\s+to\s+(?P<high>-?\d+))?\s*\)"
    r"\s*:\s*(?P<text>.*)"
)
NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")
FORM = "NAME (KIND): TEXT, such as “hours (number 0 to 100): How many hours a week …?”"


@dataclass(frozen=True)
class OwnQuestion:
    """One question in one language."""

    name: str
    """With `PREFIX`: the name of the answer, of the field and of the column."""
    kind: str
    text: str
    language: str
    low: int = 0
    high: int = 0
    answers: tuple[str, ...] = ()
    """Of a choice; of a scale, the words at its ends."""

    @property
    def codes(self) -> tuple[tuple[str, str], ...]:
        """Code → text of what can be chosen; none if the answer is typed."""
        if self.kind == "choice":
            return tuple((str(code), text) for code, text in enumerate(self.answers, start=1))
        if self.kind != "scale":
            return ()
        ends = dict(zip((self.low, self.high), self.answers, strict=False))
        return tuple((str(n), f"{n} {ends.get(n, '')}".strip()) for n in self.points)

    @property
    def points(self) -> range:
        """The points of a scale."""
        return range(self.low, self.high + 1)


def of_study(questions: Sequence[Mapping[str, Any]], language: str) -> tuple[OwnQuestion, ...]:
    """The questions in that language, or in the first that they have."""
    found = []
    for one in questions:
        spoken = language if language in one["texts"] else next(iter(one["texts"]))
        said = one["texts"][spoken]
        found.append(
            OwnQuestion(
                name=PREFIX + one["name"], kind=one["kind"], text=said["text"], language=spoken,
                low=one["low"], high=one["high"], answers=tuple(said["answers"]),
            )
        )  # fmt: skip
    return tuple(found)


def joined(texts: Mapping[str, str]) -> list[dict[str, Any]]:
    """The questions of all languages, from each language's text.

    Raises `ValueError`, whose message names question and language, if a text cannot be understood
    or the languages do not ask the same.
    """
    parsed = {language: _parsed(text, language) for language, text in texts.items() if text.strip()}
    if not parsed:
        return []
    first, *others = parsed
    for other in others:
        _compare(parsed[first], parsed[other], first, other)
    return [
        one | {"texts": {language: parsed[language][place]["said"] for language in parsed}}
        for place, one in enumerate(
            {key: one[key] for key in ("name", "kind", "low", "high")} for one in parsed[first]
        )
    ]


def as_text(questions: Sequence[Mapping[str, Any]], language: str) -> str:
    """The inverse of `joined`, for one language; empty if the questions are not in it."""
    paragraphs = []
    for one in questions:
        said = one["texts"].get(language)
        if said is None:
            return ""
        has_limits = one["kind"] == "scale" or (
            one["kind"] == "number" and one["low"] < one["high"]
        )
        limits = f" {one['low']} to {one['high']}" if has_limits else ""
        head = f"{one['name']} ({one['kind']}{limits}): {said['text']}"
        paragraphs.append("\n".join([head, *said["answers"]]))
    return "\n\n".join(paragraphs)


def problem_with(
    questions: Sequence[Mapping[str, Any]], languages: Sequence[str], *, is_asked: bool
) -> str:
    """Why these cannot be a study's own questions, in one line; empty if they can.

    `is_asked` says whether the study has a questionnaire.
    """
    if not questions:
        return ""
    if not is_asked:
        return "there are own questions, but the steps have no questionnaire that asks them"
    for language in languages:
        if any(language not in one["texts"] for one in questions):
            return f"the own questions are missing in {language}"
    spoken = {language for one in questions for language in one["texts"]}
    try:
        again = joined({language: as_text(questions, language) for language in spoken})
    except ValueError as error:
        return str(error)
    names = [one["name"] for one in questions]
    if [one["name"] for one in again] != names:
        return "the own questions cannot be read back from their text"
    return ""


def _parsed(text: str, language: str) -> list[dict[str, Any]]:
    paragraphs = [part.strip() for part in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n"))]
    paragraphs = [part for part in paragraphs if part]
    if len(paragraphs) > MOST_QUESTIONS:
        raise ValueError(f"{language}: {len(paragraphs)} own questions, over {MOST_QUESTIONS}")
    found = [_question(part, language) for part in paragraphs]
    names = [one["name"] for one in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"{language}: two questions are called {twice}")
    return found


def _question(paragraph: str, language: str) -> dict[str, Any]:
    first, *lines = [line.strip() for line in paragraph.split("\n")]
    head = HEAD.fullmatch(first)
    where = f"{language}, “{first[:40]}”"
    if head is None:
        raise ValueError(f"{where}: a question begins with {FORM}")
    kind, low, high = head["kind"], int(head["low"] or 0), int(head["high"] or 0)
    fault = (
        _fault_of_name(head["name"])
        or _fault_of_kind(kind, has_limits=head["low"] is not None, low=low, high=high)
        or _fault_of_texts(head["text"], lines)
        or _fault_of_answers(kind, len(lines))
    )
    if fault:
        raise ValueError(f"{where}: {fault}")
    said = {"text": head["text"].strip(), "answers": lines}
    return {"name": head["name"], "kind": kind, "low": low, "high": high, "said": said}


def _fault_of_name(name: str) -> str:
    if NAME.fullmatch(name):
        return ""
    return f"its name is {name[:40]!r}: up to 30 small letters a to z, digits and _"


def _fault_of_kind(kind: str, *, has_limits: bool, low: int, high: int) -> str:
    if kind not in KINDS:
        return f"its kind is {kind!r}; known: {', '.join(KINDS)}"
    if kind == "scale" and not (has_limits and 0 <= low < high < low + MOST_POINTS):
        return f"a scale needs limits, such as (scale 1 to 7), with at most {MOST_POINTS} points"
    if has_limits and (kind not in ("scale", "number") or low >= high):
        return f"the limits {low} to {high} do not fit a {kind}"
    return ""


def _fault_of_texts(text: str, lines: Sequence[str]) -> str:
    if not text.strip():
        return "it asks nothing"
    longest = max(len(text), *(len(line) for line in lines)) if lines else len(text)
    return f"{longest} characters, over {LONGEST_TEXT}" if longest > LONGEST_TEXT else ""


def _fault_of_answers(kind: str, lines: int) -> str:
    if kind == "choice" and not 2 <= lines <= MOST_CHOICES:
        return f"{lines} answers below it: a choice has 2 to {MOST_CHOICES}, one per line"
    if kind == "scale" and lines not in (0, 2):
        return f"{lines} lines below it: a scale has two, the words at its ends, or none"
    if kind in ("text", "number") and lines:
        return f"there is a line below it, but a {kind} has no answers to choose from"
    return ""


def _compare(
    first: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]], one: str, two: str
) -> None:
    def shape(question: Mapping[str, Any]) -> tuple[Any, ...]:
        keys = ("name", "kind", "low", "high")
        return (*(question[key] for key in keys), len(question["said"]["answers"]))

    if len(first) != len(other):
        raise ValueError(f"{one} has {len(first)} own questions, {two} has {len(other)}")
    for left, right in zip(first, other, strict=True):
        if shape(left) != shape(right):
            raise ValueError(
                f"{two}: {right['name']} must have the name, kind, limits and number of answers of "
                f"{left['name']} in {one}, in the same order"
            )
