"""Tokens and dollars: estimated before the first call, then counted from the replies.

What a run has spent is read from its ledger: the cost of every reply, plus the estimate for every
call whose outcome is not known, since it may have been charged. Calls in progress are counted in
the same way, so that simultaneous calls cannot exceed the budget together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.config import GeminiConfig, RunConfig, config_from_dict
from pipeline.labelers.gemini.questions import GAP_SECONDS, Question, prompt_of
from pipeline.store.ledger import Ledger
from pipeline.store.run_directory import RunDirectory, RunPlace, opened

LEDGER = "labels/gemini-ledger.jsonl"
"""Path in the run directory. It is not in the manifest, since it grows while the stage runs."""
AUDIO_TOKENS = 32
"""Tokens per second of audio."""
CHARACTERS_PER_TOKEN = 4
ANSWER_TOKENS, CONCEPT_TOKENS = 800, 160
"""Tokens of a whole answer, without thinking tokens, and per concept if many are asked for: high
guesses, replaced by the counts in the replies. A prompt for thousands of concepts must not be
estimated like one for five, since nothing else limits the first calls."""
SECONDS_PER_CALL = 10.0
"""A guess, used only to estimate the time."""


def tokens(config: GeminiConfig, asked: Question) -> tuple[int, int, int]:
    """Estimated tokens of a question: audio, prompt, answer."""
    sound = round(AUDIO_TOKENS * asked.seconds)
    return sound, -(-len(asked.prompt) // CHARACTERS_PER_TOKEN), answer_tokens(config)


def answer_tokens(config: GeminiConfig) -> int:
    """Estimated maximum number of tokens of an answer."""
    return max(ANSWER_TOKENS, CONCEPT_TOKENS * config.concepts)


def price(config: GeminiConfig, sound: float, prompt: float, answer: float) -> float:
    """Cost in dollars of these numbers of tokens; half if in a batch."""
    whole = (
        sound * config.dollars_per_million_audio
        + prompt * config.dollars_per_million_text
        + answer * config.dollars_per_million_output
    ) / 1e6
    return whole / 2 if config.batch else whole


def estimated(config: GeminiConfig, asked: Question) -> float:
    """Estimated cost of a question, dollars."""
    return price(config, *tokens(config, asked))


def cost_per_question(config: RunConfig) -> float:
    """Upper bound of the cost of one feature's question, dollars, before any features exist."""
    count, asked = config.exemplars.count, config.gemini
    sound = count * min(config.corpus.clip_seconds, asked.clip_seconds)
    seconds = sound + GAP_SECONDS * (count - 1)
    prompt = -(-len(prompt_of(asked)) // CHARACTERS_PER_TOKEN)
    return price(asked, round(AUDIO_TOKENS * seconds), prompt, answer_tokens(asked))


def paid(config: GeminiConfig, reply: Mapping[str, Any]) -> float:
    """Cost of a reply by its own token counts, dollars; 0 if it has none."""
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
    return price(config, sound, max(0, whole - sound), answer)


def summary(config: GeminiConfig, questions: Sequence[Question]) -> str:
    """One line with the features, tokens, dollars and minutes of what is about to be asked."""
    counted = [tokens(config, asked) for asked in questions]
    given = sum(sound + prompt for sound, prompt, _ in counted)
    dollars = sum(estimated(config, asked) for asked in questions)
    by_rate = len(questions) / config.requests_per_minute
    minutes = max(by_rate, len(questions) * SECONDS_PER_CALL / 60 / config.concurrency)
    time = "up to a day" if config.batch else f"about {max(1, round(minutes))} min"
    return (
        f"{len(questions)} features, {given:,} tokens asked, up to "
        f"{len(questions) * answer_tokens(config):,} answered, about ${dollars:.2f} of a budget of "
        f"${config.budget_dollars:.2f}, {time}"
    )


class Spending:
    """What one run has spent, from the entries of a ledger that other runs may share."""

    def __init__(self, config: GeminiConfig, run: str, *, own: bool) -> None:
        """`run`: the run's key. `own`: whether no other run uses the ledger, so that old entries
        without a run belong to this one."""
        self._config = config
        self.run = run
        self._unnamed = run if own else None
        self._open: dict[str, float] = {}
        self._closed = 0.0
        self.dearest = 0.0
        """Cost of the most expensive reply so far, dollars."""

    @property
    def dollars(self) -> float:
        """Cost of all replies, plus the estimates of calls that may have been charged."""
        return self._closed + sum(self._open.values())

    def reserved_for(self, key: str) -> float:
        """Dollars reserved for the run's call in progress; 0 if there is none."""
        return self._open.get(key, 0.0)

    def take(self, entry: Mapping[str, Any]) -> None:
        """Count one entry of the ledger; questions that another run asked are not counted."""
        event, key = entry.get("event"), str(entry.get("key", ""))
        if event == "asked" and entry.get("run", self._unnamed) == self.run:
            # An earlier call with an unknown outcome may have been charged too.
            self._closed += self._open.pop(key, 0.0)
            self._open[key] = float(entry.get("dollars", 0.0))
        elif event in ("answered", "unanswered", "refused") and key in self._open:
            estimate = self._open.pop(key)
            if event == "answered":
                dollars = float(entry.get("dollars", paid(self._config, entry["reply"])))
                self.dearest = max(self.dearest, dollars)
                self._closed += dollars
            elif entry.get("perhaps"):
                self._closed += estimate


def ledger_of(config: GeminiConfig, directory: RunDirectory) -> Ledger:
    """The run's own ledger, or the shared one that the config names."""
    return Ledger(config.ledger) if config.ledger else directory.ledger(LEDGER)


def spending_of(config: GeminiConfig, directory: RunDirectory) -> Spending:
    """A counter for the run in `directory`, before any entries are counted."""
    key = str(directory.description().get("key", ""))
    return Spending(config, key, own=config.ledger is None)


def spent(place: RunPlace) -> float:
    """US dollars that the run at `place` has spent on Gemini, for all SAEs and methods, including
    calls with an unknown outcome; 0 for a run that asked nothing.

    Raises `PipelineError` if there is no run or its config cannot be read.
    """
    directory = opened(place)
    config = config_from_dict(directory.description("config")["config"]).gemini
    counted = spending_of(config, directory)
    for entry in ledger_of(config, directory).entries():
        counted.take(entry)
    return counted.dollars
