"""Tokens and dollars: before the first call by estimate, then as the replies count them.

What a run has spent is read from its ledger: the dollars of every reply, and the estimate of every
call whose end nobody saw, since it may have been paid for. A call under way counts as one of
those, so that calls at once cannot pass the budget together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.config import GeminiConfig, RunConfig, config_from_dict
from pipeline.labelers.gemini.questions import GAP_SECONDS, Question, prompt_of
from pipeline.store.ledger import Ledger
from pipeline.store.run_directory import RunDirectory

LEDGER = "labels/gemini-ledger.jsonl"
"""In the run directory, outside its manifest: it grows while the stage is not done."""
AUDIO_TOKENS = 32
"""A second of sound."""
CHARACTERS_PER_TOKEN = 4
ANSWER_TOKENS, CONCEPT_TOKENS = 800, 160
"""Of a whole answer, thoughts apart, and of each concept asked for where there are many: guesses on
the high side, replaced by what replies count. What asks for thousands of concepts must not be
counted as what asks for five: before the first reply nothing else holds it within the budget."""
SECONDS_PER_CALL = 10.0
"""A guess, for the estimate of time alone."""


def tokens(config: GeminiConfig, asked: Question) -> tuple[int, int, int]:
    """Tokens of sound, of prompt, of answer."""
    sound = round(AUDIO_TOKENS * asked.seconds)
    return sound, -(-len(asked.prompt) // CHARACTERS_PER_TOKEN), answer_tokens(config)


def answer_tokens(config: GeminiConfig) -> int:
    """Tokens that an answer with the concepts asked for may have."""
    return max(ANSWER_TOKENS, CONCEPT_TOKENS * config.concepts)


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
    return price(config, *tokens(config, asked))


def cost_per_question(config: RunConfig) -> float:
    """Dollars that one feature's question may cost, before there is any feature."""
    count, asked = config.exemplars.count, config.gemini
    sound = count * min(config.corpus.clip_seconds, asked.clip_seconds)
    seconds = sound + GAP_SECONDS * (count - 1)
    prompt = -(-len(prompt_of(asked)) // CHARACTERS_PER_TOKEN)
    return price(asked, round(AUDIO_TOKENS * seconds), prompt, answer_tokens(asked))


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
    """What one run has spent, by the entries of a ledger that other runs may share."""

    def __init__(self, config: GeminiConfig, run: str, *, own: bool) -> None:
        """`run`: its key. `own`: whether the ledger is the run's alone, so that entries from
        before they named their run are its."""
        self._config = config
        self.run = run
        self._unnamed = run if own else None
        self._open: dict[str, float] = {}
        self._closed = 0.0
        self.dearest = 0.0
        """Dollars of the dearest reply so far."""

    @property
    def dollars(self) -> float:
        """What replies counted, and the estimate of what may have been paid for."""
        return self._closed + sum(self._open.values())

    def kept_for(self, key: str) -> float:
        """Dollars by estimate of the run's call under way; 0 if there is none."""
        return self._open.get(key, 0.0)

    def take(self, entry: Mapping[str, Any]) -> None:
        """Count one entry; of a question that another run asked nothing is counted."""
        event, key = entry.get("event"), str(entry.get("key", ""))
        if event == "asked" and entry.get("run", self._unnamed) == self.run:
            # Begun before and its end not seen: that call may have been paid for as well.
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
    """The ledger of the run, or the one that runs share."""
    return Ledger(config.ledger) if config.ledger else directory.ledger(LEDGER)


def spending_of(config: GeminiConfig, directory: RunDirectory) -> Spending:
    """The count for the run in `directory`, before any entry was read."""
    key = str(directory.description().get("key", ""))
    return Spending(config, key, own=config.ledger is None)


def spent(run_dir: Path) -> float:
    """US dollars that the run in `run_dir` has spent on Gemini, over all SAEs and methods, or may
    have spent by calls whose end nobody saw. 0 for a run that asked nothing.

    Raises `PipelineError` if there is no run, or its config cannot be read.
    """
    directory = RunDirectory(run_dir)
    config = config_from_dict(directory.description("config")["config"]).gemini
    counted = spending_of(config, directory)
    for entry in ledger_of(config, directory).entries():
        counted.take(entry)
    return counted.dollars
