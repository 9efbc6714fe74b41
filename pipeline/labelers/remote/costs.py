"""Tokens and dollars: estimated before the first call, then counted from the replies.

What a run has spent is read from its ledger; see `remote.spending`.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.config import RemoteConfig, RunConfig
from pipeline.labelers.remote.api import Api
from pipeline.labelers.remote.questions import GAP_SECONDS, Question, prompt_of
from pipeline.labelers.remote.spending import Spending
from pipeline.store.ledger import Ledger
from pipeline.store.run_directory import RunDirectory

AUDIO_TOKENS = 32
"""Tokens per second of audio: Gemini's number, which no other service known to us exceeds."""
CHARACTERS_PER_TOKEN = 4
ANSWER_TOKENS, CONCEPT_TOKENS = 800, 160
"""Tokens of a whole answer, without thinking tokens, and per concept if many are asked for: high
guesses, replaced by the counts in the replies. A prompt for thousands of concepts must not be
estimated like one for five, since nothing else limits the first calls."""
SECONDS_PER_CALL = 10.0
"""A guess, used only to estimate the time."""


def tokens(config: RemoteConfig, asked: Question) -> tuple[int, int, int]:
    """Estimated tokens of a question: audio, prompt, answer."""
    sound = round(AUDIO_TOKENS * asked.seconds)
    return sound, -(-len(asked.prompt) // CHARACTERS_PER_TOKEN), answer_tokens(config)


def answer_tokens(config: RemoteConfig) -> int:
    """Estimated maximum number of tokens of an answer."""
    return max(ANSWER_TOKENS, CONCEPT_TOKENS * config.concepts)


def estimated(api: Api, asked: Question) -> float:
    """Estimated cost of a question, dollars."""
    return api.price(asked.model, *tokens(api.config, asked))


def cost_per_question(api: Api, model: str, config: RunConfig) -> float:
    """Upper bound of the cost of one feature's question, dollars, before any features exist."""
    count, asked = config.exemplars.count, api.config
    sound = count * min(config.corpus.clip_seconds, asked.clip_seconds)
    seconds = sound + GAP_SECONDS * (count - 1)
    prompt = -(-len(prompt_of(asked, api.section)) // CHARACTERS_PER_TOKEN)
    return api.price(model, round(AUDIO_TOKENS * seconds), prompt, answer_tokens(asked))


def summary(api: Api, questions: Sequence[Question]) -> str:
    """One line with the features, tokens, dollars and minutes of what is about to be asked."""
    config = api.config
    counted = [tokens(config, asked) for asked in questions]
    given = sum(sound + prompt for sound, prompt, _ in counted)
    dollars = sum(estimated(api, asked) for asked in questions)
    by_rate = len(questions) / config.requests_per_minute
    minutes = max(by_rate, len(questions) * SECONDS_PER_CALL / 60 / config.concurrency)
    time = "up to a day" if api.takes_a_day else f"about {max(1, round(minutes))} min"
    return (
        f"{len(questions)} features, {given:,} tokens asked, up to "
        f"{len(questions) * answer_tokens(config):,} answered, about ${dollars:.2f} of a budget of "
        f"${config.budget_dollars:.2f}, {time}"
    )


def ledger_path(section: str) -> str:
    """Path of a section's ledger in the run directory. It is not in the manifest, since it grows
    while the stage runs."""
    return f"labels/{section.replace('_', '-')}-ledger.jsonl"


def ledger_of(api: Api, directory: RunDirectory) -> Ledger:
    """The run's own ledger, or the shared one that the config names."""
    if api.config.ledger:
        return Ledger(api.config.ledger)
    return directory.ledger(ledger_path(api.section))


def spending_of(api: Api, directory: RunDirectory) -> Spending:
    """A counter for the run in `directory`, before any entries are counted."""
    key = str(directory.description().get("key", ""))
    return Spending(lambda reply: api.paid("", reply), key, own=api.config.ledger is None)
