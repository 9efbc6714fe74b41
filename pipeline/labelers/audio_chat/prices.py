"""What the models of the service cost: as the config says, else as the environment does."""

from __future__ import annotations

import os
import re

from pipeline.config import AudioChatConfig, Prices
from pipeline.config.remote import price_list

VARIABLE = "EARWITNESS_AUDIO_CHAT_MODELS"
"""Models with their prices, as in `[audio_chat] prices`, separated by commas."""


def offered() -> dict[str, Prices]:
    """The models that the environment names, with their prices.

    Raises `PipelineError` if it has another form.
    """
    entries = (entry.strip() for entry in os.environ.get(VARIABLE, "").split(","))
    return price_list(filter(None, entries), VARIABLE)


def prices_of(config: AudioChatConfig) -> dict[str, Prices]:
    """The prices of all models that may be asked."""
    return offered() | price_list(config.prices, "[audio_chat] prices")


def flat(model: str) -> str:
    """A model's name as a method's variant: `openai/gpt-audio` is `openai--gpt-audio`."""
    return re.sub(r"[^A-Za-z0-9._-]", "--", model)
