"""What came back: a raw reply turned into concepts, or into the reason why it is none."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BLOCKED = frozenset(
    {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "LANGUAGE"}
)
LONGEST_NAME = 120
"""Characters: more is no name."""


@dataclass(frozen=True)
class Concept:
    """One hypothesis."""

    name: str
    confidence: float
    description: str


@dataclass(frozen=True)
class Answer:
    """A whole answer; `concepts` by confidence, the model's order where equal."""

    concepts: tuple[Concept, ...]
    overall_name: str
    overall_summary: str
    overall_confidence: float


class UnusableAnswer(Exception):  # noqa: N818 - its message is the label's reason, no fault here
    """The reply holds no answer; the message is the reason."""


def version_of(reply: Mapping[str, Any]) -> str:
    """The model that says it answered; empty if the reply does not say."""
    return str(reply.get("modelVersion") or "").removeprefix("models/")


def is_model(version: str, asked: str) -> bool:
    """Whether `version` is the model asked for, or a numbered release of it (`NAME-001`)."""
    return bool(re.fullmatch(re.escape(asked.removeprefix("models/")) + r"(-\d{3})?", version))


def answer_of(reply: Mapping[str, Any], asked_model: str) -> Answer:
    """The answer in a raw reply; raises `UnusableAnswer` with the reason if there is none."""
    if "unreadable" in reply:
        raise UnusableAnswer("malformed answer: the reply is not JSON")
    version = version_of(reply)
    text = _text(reply)
    if not is_model(version, asked_model):
        raise UnusableAnswer(f"answered by {version or 'an unnamed model'}, not by {asked_model}")
    try:
        content = json.loads(text)
    except ValueError as error:
        raise UnusableAnswer("malformed answer: its text is not JSON") from error
    if not isinstance(content, dict):
        raise UnusableAnswer("malformed answer: its JSON is no object")
    return _checked(content)


def _text(reply: Mapping[str, Any]) -> str:
    """The answer's text; raises if it was blocked, cut off, or is empty."""
    block = (reply.get("promptFeedback") or {}).get("blockReason")
    if block:
        raise UnusableAnswer(f"blocked: the question, for {block}")
    candidates = reply.get("candidates") or []
    if not candidates:
        raise UnusableAnswer("empty answer: no candidate")
    finish = str(candidates[0].get("finishReason") or "STOP")
    if finish in BLOCKED:
        raise UnusableAnswer(f"blocked: the answer, for {finish}")
    if finish == "MAX_TOKENS":
        raise UnusableAnswer("truncated answer: the limit of tokens was reached")
    if finish != "STOP":
        raise UnusableAnswer(f"no answer: ended by {finish}")
    parts = (candidates[0].get("content") or {}).get("parts") or []
    text = "".join(str(part.get("text") or "") for part in parts if not part.get("thought"))
    if not text.strip():
        raise UnusableAnswer("empty answer: no text")
    return text


def _checked(content: Mapping[str, Any]) -> Answer:
    given = content.get("concepts")
    if not isinstance(given, list):
        raise UnusableAnswer("malformed answer: no list of concepts")
    concepts = [_concept(entry) for entry in given]
    if not concepts:
        raise UnusableAnswer("empty answer: no concept")
    distinct: dict[str, Concept] = {}
    for concept in sorted(concepts, key=lambda one: -one.confidence):
        distinct.setdefault(concept.name.casefold(), concept)
    return Answer(
        concepts=tuple(distinct.values()),
        overall_name=_words(content, "overall_name"),
        overall_summary=_words(content, "overall_summary"),
        overall_confidence=_share(content, "overall_confidence"),
    )


def _concept(entry: Any) -> Concept:
    if not isinstance(entry, dict):
        raise UnusableAnswer("malformed answer: a concept is no object")
    name = _words(entry, "name")
    if len(name) > LONGEST_NAME:
        raise UnusableAnswer(f"malformed answer: a name of {len(name)} characters")
    return Concept(name, _share(entry, "confidence"), _words(entry, "description"))


def _words(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    text = " ".join(value.split()) if isinstance(value, str) else ""
    if not text:
        raise UnusableAnswer(f"malformed answer: {key} is missing")
    return text


def _share(entry: Mapping[str, Any], key: str) -> float:
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise UnusableAnswer(f"malformed answer: {key} is {value!r}, not from 0 to 1")
    return float(value)
