"""Turns the text of a reply into concepts, or into the reason why it contains none.

Every reply was paid for, so its usable parts are used: JSON in a code fence or among other words, a
list of concepts without the object around it, the good concepts beside a bad one, the complete
concepts of an answer that was cut off. `Answer.note`, and so the labels' provenance, says what was
left out or repaired. Nothing is guessed: a concept without a name, or without a confidence from 0
to 1, is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from pipeline.labelers.remote.written import content_of, field, values

CUT = "truncated answer: the limit of tokens was reached"
LONGEST_NAME = 120
"""Maximum length of a concept's name, in characters."""


@dataclass(frozen=True)
class Concept:
    """One concept that the model proposed."""

    name: str
    confidence: float
    description: str


@dataclass(frozen=True)
class Overall:
    """The model's single name for what all the clips share."""

    name: str
    summary: str
    confidence: float


@dataclass(frozen=True)
class Answer:
    """An answer; `concepts` are sorted by confidence, ties in the model's order."""

    concepts: tuple[Concept, ...]
    overall: Overall | None
    """None if it is missing or damaged."""
    fault: str = ""
    """`cut` or `malformed` if only part of the reply could be used."""
    note: str = ""
    """What was left out or repaired, in words; empty if nothing was."""


class UnusableAnswer(Exception):  # noqa: N818 - not an error here: the message is a label's reason
    """The reply contains no answer; the message is the reason."""

    def __init__(self, fault: str, reason: str) -> None:
        super().__init__(reason)
        self.fault = fault
        """`malformed`, `cut`, `blocked`, `empty`, or `model` if another model answered."""


SHARE = re.compile(r"\s*(\d+(?:[.,]\d*)?|[.,]\d+)\s*(%|per ?cent)?\s*", re.IGNORECASE)
"""A confidence in quotes: `0.9`, `0,9` or `90 %`."""


class _BadPart(Exception):  # noqa: N818 - it ends one concept, not the answer
    """A part of the answer that cannot be used; the message says why."""


def answer_in(text: str, *, cut: bool) -> Answer:
    """The answer in a reply's text; `cut`: it ended at the limit of tokens.

    Raises `UnusableAnswer` with the reason if there is none.
    """
    content, note = content_of(text)
    if content is None:
        return _rescued(text, cut)
    answer = _checked(content, note)
    return replace(answer, fault="cut", note=answer.note or CUT) if cut else answer


def _rescued(text: str, cut: bool) -> Answer:
    """The complete concepts of an answer whose JSON is incomplete; raises `UnusableAnswer` if there
    are none."""
    fault = "cut" if cut else "malformed"
    if cut:
        reason = CUT
    elif re.search(r"[{\[]", text) and any(isinstance(one, dict | list) for one in values(text)):
        reason = "malformed answer: no list of concepts"
    else:
        reason = "malformed answer: its text is not JSON"
    _, named, rest = text.partition('"concepts"')
    listed = values(rest.partition("[")[2] if named else text)
    found = [value for value in listed if isinstance(value, dict)]
    whole = _whole_of(found)
    concepts, _ = _good(found, whole)
    if not concepts:
        raise UnusableAnswer(fault, reason)
    note = f"{reason}; the {len(concepts)} whole concepts of it are kept"
    note += "" if whole == 1 else "; confidences are read as per cent"
    return Answer(_ranked(concepts), None, fault, note)


def _checked(content: Mapping[str, Any], repaired: str) -> Answer:
    """The answer in a JSON object; `repaired` says how its text was repaired."""
    given = _listed(field(content, "concepts"))
    if not isinstance(given, list):
        raise UnusableAnswer("malformed", "malformed answer: no list of concepts")
    if not given:
        raise UnusableAnswer("empty", "empty answer: no concept")
    whole = _whole_of(given)
    concepts, wrong = _good(given, whole)
    if not concepts:
        raise UnusableAnswer("malformed", f"malformed answer: {wrong}")
    left_out = len(given) - len(concepts)
    note = f"{left_out} of {len(given)} concepts left out: {wrong}" if left_out else ""
    overall, missing = _overall(content, whole)
    lost = "; ".join(filter(None, (note, missing)))
    percent = "" if whole == 1 else "confidences are read as per cent"
    said = "; ".join(filter(None, (lost, repaired, percent)))
    return Answer(_ranked(concepts), overall, "malformed" if lost else "", said)


def _listed(given: Any) -> Any:
    """The concepts as a list, also if they are a single object, or a dict keyed by name."""
    if not isinstance(given, dict):
        return given
    if field(given, "name") is not None:
        return [given]
    return [
        {"name": name, **(value if isinstance(value, dict) else {"confidence": value})}
        for name, value in given.items()
    ]


def _whole_of(given: list[Any]) -> float:
    """The value that means certainty: 100 if the confidences must be percentages, else 1.

    They must be if one exceeds 10, which rules out a scale from 1 to 10, and none is a fraction.
    """
    found = [_number(field(one, "confidence"))[0] for one in given if isinstance(one, dict)]
    numbers = [one for one in found if one is not None]
    percent = any(one > 10 for one in numbers) and all(one <= 100 for one in numbers)
    return 100 if percent and not any(0 < one < 1 for one in numbers) else 1


def _good(given: list[Any], whole: float = 1) -> tuple[list[Concept], str]:
    """The usable concepts, and what is wrong with the first unusable one."""
    concepts, wrong = [], ""
    for entry in given:
        try:
            concepts.append(_concept(entry, whole))
        except _BadPart as error:
            wrong = wrong or str(error)
    return concepts, wrong


def _ranked(concepts: list[Concept]) -> tuple[Concept, ...]:
    """The concepts sorted by confidence, each name once."""
    distinct: dict[str, Concept] = {}
    for concept in sorted(concepts, key=lambda one: -one.confidence):
        distinct.setdefault(concept.name.casefold(), concept)
    return tuple(distinct.values())


def _overall(content: Mapping[str, Any], whole: float) -> tuple[Overall | None, str]:
    """The overall name, or None with the reason."""
    try:
        name = _words(content, "overall_name")
        summary = _words(content, "overall_summary")
        return Overall(name, summary, _share(content, "overall_confidence", whole)), ""
    except _BadPart as error:
        return None, f"no overall name: {error}"


def _concept(entry: Any, whole: float) -> Concept:
    if not isinstance(entry, dict):
        raise _BadPart("a concept is not an object")
    name = _words(entry, "name")
    if len(name) > LONGEST_NAME:
        raise _BadPart(f"a name of {len(name)} characters")
    confidence = _share(entry, "confidence", whole)
    described = field(entry, "description")
    description = _plain(described) if isinstance(described, str) else ""
    return Concept(name, confidence, description or "without a description")


def _words(entry: Mapping[str, Any], key: str) -> str:
    value = field(entry, key)
    text = _plain(value) if isinstance(value, str) else ""
    if not text:
        raise _BadPart(f"{key} is missing")
    return text


def _plain(text: str) -> str:
    """`text` in one line, without lone surrogates, which JSON can escape but UTF-8 cannot
    encode."""
    return " ".join(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").split())


def _share(entry: Mapping[str, Any], key: str, whole: float) -> float:
    value = field(entry, key)
    number, known = _number(value)
    if number is not None:
        # A fraction among percentages is a fraction, and "90 %" means 0.9 on any scale.
        number /= known or (1 if 0 < number < 1 else whole)
    if number is None or not 0 <= number <= 1:
        raise _BadPart(f"{key} is {value!r:.80}, not from 0 to 1")
    return number


def _number(value: Any) -> tuple[float | None, float]:
    """A confidence as a number (None if it is not one), and its maximum (0 if not given)."""
    if isinstance(value, str) and (found := SHARE.fullmatch(value)):
        return float(found[1].replace(",", ".")), 100 if found[2] else 0
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None, 0
    return float(value), 0
