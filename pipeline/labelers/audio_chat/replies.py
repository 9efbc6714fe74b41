"""What a chat completion contains: the answer's text, the model, the tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipeline.labelers.remote.answers import UnusableAnswer

FORMAT = "earwitness_format"
"""Key that `AudioChatApi` adds to a reply to a question without a JSON schema."""
RELEASE = re.compile(r"(-\d{3,8}|-\d{4}-\d{2}-\d{2})?(:[\w.-]+)?")
"""What a service may add to the name of a model that it answers with: a release, a variant."""


def version_of(reply: Mapping[str, Any]) -> str:
    """The model that answered, according to the reply; empty if the reply does not say."""
    return str(reply.get("model") or "")


def is_model(version: str, asked: str) -> bool:
    """Whether `version` is the model asked for, or a dated release of it.

    Routers put the maker before the name (`openai/gpt-audio`) or leave it out; servers of one's own
    answer with the path of the weights.
    """
    given, wanted = (name.casefold().rstrip("/").rpartition("/")[2] for name in (version, asked))
    base = wanted.partition(":")[0]
    return (
        bool(given)
        and RELEASE.fullmatch(given.removeprefix(base)) is not None
        and (given.startswith(base))
    )


def text_of(reply: Mapping[str, Any]) -> tuple[str, bool]:
    """The answer's text, and whether it was cut off; raises `UnusableAnswer` if there is none."""
    choices = reply.get("choices") or []
    if not choices:
        raise UnusableAnswer("empty", "empty answer: no choice")
    first = choices[0]
    finish, message = str(first.get("finish_reason") or "stop"), first.get("message") or {}
    if finish == "content_filter":
        raise UnusableAnswer("blocked", "blocked: the answer, for content_filter")
    if message.get("refusal"):
        refusal = " ".join(str(message["refusal"]).split())
        raise UnusableAnswer("blocked", f"blocked: the model refuses, {refusal:.100}")
    if finish not in ("stop", "length", "eos", "end_turn", "max_tokens"):
        raise UnusableAnswer("empty", f"no answer: ended by {finish:.40}")
    cut = finish in ("length", "max_tokens")
    text = _words_of(message.get("content"))
    if not text.strip() and not cut:
        raise UnusableAnswer("empty", "empty answer: no text")
    return text, cut


def _words_of(content: Any) -> str:
    """The text of a message, without what a model thought aloud before it."""
    if isinstance(content, list):
        content = "".join(str(part.get("text") or "") for part in content)
    return str(content or "").rpartition("</think>")[2]


def tokens_of(reply: Mapping[str, Any]) -> tuple[int, int, int] | None:
    """The tokens that a reply counts: audio, prompt, answer; None if it counts none."""
    usage = reply.get("usage")
    if not isinstance(usage, Mapping):
        return None
    details = usage.get("prompt_tokens_details")
    audio = details.get("audio_tokens") if isinstance(details, Mapping) else None
    try:
        whole, answer = int(usage["prompt_tokens"]), int(usage.get("completion_tokens") or 0)
        # Not broken down: assume the more expensive kind.
        sound = whole if audio is None else min(whole, int(audio))
    except (KeyError, TypeError, ValueError):
        return None
    return (sound, whole - sound, answer) if min(whole, sound, answer) >= 0 and whole else None
