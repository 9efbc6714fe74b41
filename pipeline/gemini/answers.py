"""What came back: a raw reply turned into concepts, or into the reason why it is none.

Every reply was paid for, so what is whole in it is used: JSON in a code fence or among other
words, a list of concepts without the object around it, the good concepts beside a bad one, the
whole concepts of an answer that was cut off. What was left out is said in `Answer.note`, and so in
the labels' provenance. Nothing is guessed: a concept without a name or a confidence from 0 to 1 is
left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

BLOCKED = frozenset(
    {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "LANGUAGE"}
)
CUT = "truncated answer: the limit of tokens was reached"
LONGEST_NAME = 120
"""Characters: more is no name."""


@dataclass(frozen=True)
class Concept:
    """One hypothesis."""

    name: str
    confidence: float
    description: str


@dataclass(frozen=True)
class Overall:
    """The model's one name for all that the clips share."""

    name: str
    summary: str
    confidence: float


@dataclass(frozen=True)
class Answer:
    """An answer; `concepts` by confidence, the model's order where equal."""

    concepts: tuple[Concept, ...]
    overall: Overall | None
    """None where it is missing or damaged."""
    fault: str = ""
    """`cut` or `malformed` if only part of the reply could be used."""
    note: str = ""
    """What was left out, in words; empty if nothing was."""


class UnusableAnswer(Exception):  # noqa: N818 - its message is the label's reason, no fault here
    """The reply holds no answer; the message is the reason."""

    def __init__(self, fault: str, reason: str) -> None:
        super().__init__(reason)
        self.fault = fault
        """`malformed`, `cut`, `blocked`, `empty`, or `model`: another model answered."""


SHARE = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(%?)\s*")
"""A confidence in quotes: `0.9` or `90 %`."""


class _BadPart(Exception):  # noqa: N818 - it ends one concept, not the answer
    """A part of the answer that cannot be used; the message says why."""


def version_of(reply: Mapping[str, Any]) -> str:
    """The model that says it answered; empty if the reply does not say."""
    return str(reply.get("modelVersion") or "").removeprefix("models/")


def is_model(version: str, asked: str) -> bool:
    """Whether `version` is the model asked for, or a numbered release of it (`NAME-001`)."""
    return bool(re.fullmatch(re.escape(asked.removeprefix("models/")) + r"(-\d{3})?", version))


def fault_of(reply: Mapping[str, Any], asked_model: str) -> str:
    """What is wrong with a reply, as in `UnusableAnswer.fault`; empty if nothing is."""
    try:
        return answer_of(reply, asked_model).fault
    except UnusableAnswer as error:
        return error.fault


def answer_of(reply: Mapping[str, Any], asked_model: str) -> Answer:
    """The answer in a raw reply; raises `UnusableAnswer` with the reason if there is none."""
    if "unreadable" in reply:
        raise UnusableAnswer("malformed", "malformed answer: the reply is not JSON")
    version = version_of(reply)
    text, cut = _text(reply)
    if not is_model(version, asked_model):
        raise UnusableAnswer(
            "model", f"answered by {version or 'an unnamed model'}, not by {asked_model}"
        )
    content = _content(text)
    if content is None:
        return _rescued(text, cut)
    answer = _checked(content)
    return replace(answer, fault="cut", note=answer.note or CUT) if cut else answer


def _text(reply: Mapping[str, Any]) -> tuple[str, bool]:
    """The answer's text, and whether it was cut off; raises if it was blocked or is empty."""
    try:
        return _text_in(reply)
    except (AttributeError, TypeError, KeyError) as error:
        raise UnusableAnswer("malformed", "malformed answer: the reply has an odd form") from error


def _text_in(reply: Mapping[str, Any]) -> tuple[str, bool]:
    block = (reply.get("promptFeedback") or {}).get("blockReason")
    if block:
        raise UnusableAnswer("blocked", f"blocked: the question, for {block}")
    candidates = reply.get("candidates") or []
    if not candidates:
        raise UnusableAnswer("empty", "empty answer: no candidate")
    finish = str(candidates[0].get("finishReason") or "STOP")
    if finish in BLOCKED:
        raise UnusableAnswer("blocked", f"blocked: the answer, for {finish}")
    if finish not in ("STOP", "MAX_TOKENS"):
        raise UnusableAnswer("empty", f"no answer: ended by {finish}")
    parts = (candidates[0].get("content") or {}).get("parts") or []
    text = "".join(str(part.get("text") or "") for part in parts if not part.get("thought"))
    if not text.strip() and finish == "STOP":
        raise UnusableAnswer("empty", "empty answer: no text")
    return text, finish == "MAX_TOKENS"


def _content(text: str) -> dict[str, Any] | None:
    """The JSON object with the concepts that a text is, or holds among other words."""
    for read in (text, _without_trailing_commas(text)):
        found = [one for value in _values(read) for one in _answers_in(value)]
        if found:
            return next((one for one in found if one["concepts"]), found[0])
    for value in _values(text):
        if isinstance(value, list) and any(isinstance(one, dict) for one in value):
            return {"concepts": value}
    return None


def _answers_in(value: Any, depth: int = 3) -> Iterator[dict[str, Any]]:
    """The objects with concepts in a value: itself, or inside an object, a list, a quoted JSON."""
    if isinstance(value, dict) and "concepts" in value:
        yield value
    elif depth and isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _answers_in(one, depth - 1)
    elif depth and isinstance(value, str) and '"concepts"' in value:
        for one in _values(value):
            yield from _answers_in(one, depth - 1)


def _values(text: str) -> Iterator[Any]:
    """The JSON objects and lists in a text, from its beginning, none inside another; of a text
    that is quoted JSON those inside its quotes."""
    decoder = json.JSONDecoder(strict=False)  # Line feeds inside a text are no reason to lose it.
    start = 0
    if text.lstrip().startswith('"'):
        with suppress(ValueError):
            text = str(decoder.decode(text.strip()))
    while found := re.compile(r"[{\[]").search(text, start):
        try:
            value, start = decoder.raw_decode(text, found.start())
        except (ValueError, RecursionError):
            start = found.start() + 1
        else:
            yield value


def _without_trailing_commas(text: str) -> str:
    """The text without commas before a closing bracket, but for those inside quotes."""
    return re.sub(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', lambda found: found[1] or "", text)


def _rescued(text: str, cut: bool) -> Answer:
    """The whole concepts of an answer whose JSON does not end; raises if there is none."""
    fault = "cut" if cut else "malformed"
    if cut:
        reason = CUT
    elif re.search(r"[{\[]", text) and any(isinstance(one, dict | list) for one in _values(text)):
        reason = "malformed answer: no list of concepts"
    else:
        reason = "malformed answer: its text is not JSON"
    _, named, rest = text.partition('"concepts"')
    listed = _values(rest.partition("[")[2] if named else text)
    concepts, _ = _good([value for value in listed if isinstance(value, dict)])
    if not concepts:
        raise UnusableAnswer(fault, reason)
    note = f"{reason}; the {len(concepts)} whole concepts of it are kept"
    return Answer(_ranked(concepts), None, fault, note)


def _checked(content: Mapping[str, Any]) -> Answer:
    given = content.get("concepts")
    if isinstance(given, dict) and "name" in given:
        given = [given]
    if not isinstance(given, list):
        raise UnusableAnswer("malformed", "malformed answer: no list of concepts")
    if not given:
        raise UnusableAnswer("empty", "empty answer: no concept")
    concepts, wrong = _good(given)
    if not concepts:
        raise UnusableAnswer("malformed", f"malformed answer: {wrong}")
    left_out = len(given) - len(concepts)
    note = f"{left_out} of {len(given)} concepts left out: {wrong}" if left_out else ""
    overall, missing = _overall(content)
    said = "; ".join(filter(None, (note, missing)))
    return Answer(_ranked(concepts), overall, "malformed" if said else "", said)


def _good(given: list[Any]) -> tuple[list[Concept], str]:
    """The concepts that are whole, and what is wrong with the first that is not."""
    concepts, wrong = [], ""
    for entry in given:
        try:
            concepts.append(_concept(entry))
        except _BadPart as error:
            wrong = wrong or str(error)
    return concepts, wrong


def _ranked(concepts: list[Concept]) -> tuple[Concept, ...]:
    """By confidence, each name once."""
    distinct: dict[str, Concept] = {}
    for concept in sorted(concepts, key=lambda one: -one.confidence):
        distinct.setdefault(concept.name.casefold(), concept)
    return tuple(distinct.values())


def _overall(content: Mapping[str, Any]) -> tuple[Overall | None, str]:
    """The overall name, or None and why."""
    try:
        name = _words(content, "overall_name")
        summary = _words(content, "overall_summary")
        return Overall(name, summary, _share(content, "overall_confidence")), ""
    except _BadPart as error:
        return None, f"no overall name: {error}"


def _concept(entry: Any) -> Concept:
    if not isinstance(entry, dict):
        raise _BadPart("a concept is no object")
    name = _words(entry, "name")
    if len(name) > LONGEST_NAME:
        raise _BadPart(f"a name of {len(name)} characters")
    confidence = _share(entry, "confidence")
    described = entry.get("description")
    description = _plain(described) if isinstance(described, str) else ""
    return Concept(name, confidence, description or "without a description")


def _words(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    text = _plain(value) if isinstance(value, str) else ""
    if not text:
        raise _BadPart(f"{key} is missing")
    return text


def _plain(text: str) -> str:
    """In one line, without halves of characters, which JSON may escape and no table can hold."""
    return " ".join(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").split())


def _share(entry: Mapping[str, Any], key: str) -> float:
    value = entry.get(key)
    if isinstance(value, str) and (found := SHARE.fullmatch(value)):
        value = float(found[1]) / (100 if found[2] else 1)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise _BadPart(f"{key} is {value!r}, not from 0 to 1")
    return float(value)
