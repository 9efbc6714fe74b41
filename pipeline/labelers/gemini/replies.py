"""What a reply of Gemini's contains: the answer's text, the model, the tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipeline.labelers.remote.answers import UnusableAnswer

BLOCKED = frozenset(
    {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "LANGUAGE"}
)
FINISHES = (
    "FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER",
    "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL",
)  # fmt: skip
"""Finish reasons, indexed by their numbers in the API."""


def version_of(reply: Mapping[str, Any]) -> str:
    """The model that answered, according to the reply; empty if the reply does not say."""
    return str(reply.get("modelVersion") or "").removeprefix("models/")


def is_model(version: str, asked: str) -> bool:
    """Whether `version` is the model asked for, or a numbered release of it (`NAME-001`)."""
    return bool(re.fullmatch(re.escape(asked.removeprefix("models/")) + r"(-\d{3})?", version))


def tokens_of(reply: Mapping[str, Any]) -> tuple[int, int, int]:
    """The tokens that a reply counts: audio, prompt, answer; zeros if it counts none."""
    usage = reply.get("usageMetadata") or {}
    whole = int(usage.get("promptTokenCount") or 0)
    sound = sum(
        int(part.get("tokenCount") or 0)
        for part in usage.get("promptTokensDetails") or []
        if part.get("modality") == "AUDIO"
    )
    if not usage.get("promptTokensDetails"):
        sound = whole  # not broken down: assume the more expensive kind
    answer = int(usage.get("candidatesTokenCount") or 0) + int(usage.get("thoughtsTokenCount") or 0)
    return sound, max(0, whole - sound), answer


def text_of(reply: Mapping[str, Any]) -> tuple[str, bool]:
    """The answer's text, and whether it was cut off; raises `UnusableAnswer` if there is none."""
    block = (reply.get("promptFeedback") or {}).get("blockReason")
    if block:
        raise UnusableAnswer("blocked", f"blocked: the question, for {block}")
    candidates = reply.get("candidates") or []
    if not candidates:
        raise UnusableAnswer("empty", "empty answer: no candidate")
    first = next((one for one in candidates if _has_answer(one)), candidates[0])
    finish = _finish(first)
    if finish in BLOCKED:
        raise UnusableAnswer("blocked", f"blocked: the answer, for {finish}")
    if finish not in ("STOP", "MAX_TOKENS"):
        raise UnusableAnswer("empty", f"no answer: ended by {finish}")
    text = _text_of(first)
    if not text.strip() and finish == "STOP":
        raise UnusableAnswer("empty", "empty answer: no text")
    return text, finish == "MAX_TOKENS"


def _has_answer(candidate: Any) -> bool:
    """Whether a candidate ended normally or at the token limit, and contains text."""
    if not isinstance(candidate, dict) or _finish(candidate) not in ("STOP", "MAX_TOKENS"):
        return False
    return bool(_text_of(candidate).strip())


def _text_of(candidate: Mapping[str, Any]) -> str:
    parts = (candidate.get("content") or {}).get("parts") or []
    return "".join(str(part.get("text") or "") for part in parts if not part.get("thought"))


def _finish(candidate: Mapping[str, Any]) -> str:
    """Why a candidate ended, as the API's word; proxies may pass it on as `stop`, as
    `FinishReason.STOP` or as its number in the API."""
    given = str(candidate.get("finishReason") or "STOP").rpartition(".")[2].strip()
    if given.isdecimal() and int(given) < len(FINISHES):
        return FINISHES[int(given)]
    return given.upper()
