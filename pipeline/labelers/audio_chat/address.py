"""The address of the service, and which host may receive the key.

The key (`EARWITNESS_AUDIO_CHAT_KEY`) belongs to the server that `EARWITNESS_AUDIO_CHAT_URL` names,
and is sent to no other: a config may come from somebody else, while the environment belongs to this
machine's administrator. A config may name another server only where no key is set, as for a vLLM on
the next desk.
"""

from __future__ import annotations

import os

from pipeline.config import AudioChatConfig
from pipeline.errors import PipelineError
from pipeline.labelers.remote.address import origin_of, refuse_readable

URL, KEY = "EARWITNESS_AUDIO_CHAT_URL", "EARWITNESS_AUDIO_CHAT_KEY"
SERVICE = "an OpenAI-compatible service"
ENDPOINT = "/chat/completions"


def endpoint_of(config: AudioChatConfig) -> str:
    """The address that questions are sent to.

    Raises `PipelineError` if none is named, if the config names a host that may not receive the
    key, or if the key could be read on its way.
    """
    named = os.environ.get(URL, "")
    asked = config.base_url or named
    if not asked:
        raise PipelineError(
            f"audio-chat needs the address of its service: set {URL}, such as "
            "https://openrouter.ai/api/v1"
        )
    origin = origin_of(asked, SERVICE)
    if key() and (not named or origin != origin_of(named, SERVICE)):
        raise PipelineError(
            f"[audio_chat] base_url is {asked!r}: the key in {KEY} is sent only to the host that "
            f"{URL} names; set that to this address if you trust it"
        )
    if key():
        refuse_readable(asked, SERVICE)
    return asked.rstrip("/").removesuffix(ENDPOINT) + ENDPOINT


def key() -> str:
    """The API key; empty if there is none, as for a server of one's own.

    Raises `PipelineError` if it cannot be sent in a header.
    """
    found = os.environ.get(KEY, "").strip()
    if not (found.isascii() and (found.isprintable() or not found)):
        raise PipelineError(f"{KEY} has a character that no key has; was it pasted with another?")
    return found
