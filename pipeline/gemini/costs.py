"""Tokens and dollars: before the first call by estimate, then as the replies count them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.config import GeminiConfig, RunConfig
from pipeline.gemini.questions import GAP_SECONDS, Question, prompt_of

AUDIO_TOKENS = 32
"""A second of sound."""
CHARACTERS_A_TOKEN = 4
ANSWER_TOKENS = 800
"""Of a whole answer, thoughts apart: a guess on the high side, replaced by what replies count."""
SECONDS_A_CALL = 10.0
"""A guess, for the estimate of time alone."""


def tokens(asked: Question) -> tuple[int, int, int]:
    """Tokens of sound, of prompt, of answer."""
    sound = round(AUDIO_TOKENS * asked.seconds)
    return sound, -(-len(asked.prompt) // CHARACTERS_A_TOKEN), ANSWER_TOKENS


def price(config: GeminiConfig, sound: float, prompt: float, answer: float) -> float:
    """Dollars of so many tokens; a batch costs half."""
    whole = (
        sound * config.dollars_per_million_audio
        + prompt * config.dollars_per_million_text
        + answer * config.dollars_per_million_output
    ) / 1e6
    return whole / 2 if config.batch else whole


def estimated(config: GeminiConfig, asked: Question) -> float:
    """Dollars that a question may cost."""
    return price(config, *tokens(asked))


def a_question(config: RunConfig) -> float:
    """Dollars that one feature's question may cost, before there is any feature."""
    count, asked = config.exemplars.count, config.gemini
    sound = count * min(config.corpus.clip_seconds, asked.clip_seconds)
    seconds = sound + GAP_SECONDS * (count - 1)
    prompt = -(-len(prompt_of(asked)) // CHARACTERS_A_TOKEN)
    return price(asked, round(AUDIO_TOKENS * seconds), prompt, ANSWER_TOKENS)


def paid(config: GeminiConfig, reply: Mapping[str, Any]) -> float:
    """Dollars of a reply, by its own count of tokens; 0 if it has none."""
    usage = reply.get("usageMetadata") or {}
    whole = int(usage.get("promptTokenCount") or 0)
    sound = sum(
        int(part.get("tokenCount") or 0)
        for part in usage.get("promptTokensDetails") or []
        if part.get("modality") == "AUDIO"
    )
    if not usage.get("promptTokensDetails"):
        sound = whole  # Not told apart: the dearer of the two.
    answer = int(usage.get("candidatesTokenCount") or 0) + int(usage.get("thoughtsTokenCount") or 0)
    return price(config, sound, max(0, whole - sound), answer)


def summary(config: GeminiConfig, questions: Sequence[Question]) -> str:
    """One line: features, tokens, dollars and minutes of what is about to be asked."""
    counted = [tokens(asked) for asked in questions]
    given = sum(sound + prompt for sound, prompt, _ in counted)
    dollars = sum(estimated(config, asked) for asked in questions)
    by_rate = len(questions) / config.requests_per_minute
    minutes = max(by_rate, len(questions) * SECONDS_A_CALL / 60 / config.concurrency)
    time = "up to a day" if config.batch else f"about {max(1, round(minutes))} min"
    return (
        f"{len(questions)} features, {given:,} tokens asked, up to "
        f"{len(questions) * ANSWER_TOKENS:,} answered, about ${dollars:.2f} of a budget of "
        f"${config.budget_dollars:.2f}, {time}"
    )
