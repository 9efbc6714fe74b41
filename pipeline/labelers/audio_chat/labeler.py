"""`audio-chat`: a model behind OpenAI's `/v1/chat/completions` listens to a feature's exemplars and
proposes concepts; see `remote.labeler`.

`audio-chat@NAME` asks the model of `[audio_chat] prices` with that name, in which `--` stands for
each character that a method's name cannot have: `audio-chat@openai--gpt-audio` asks
`openai/gpt-audio`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import ClassVar

from pipeline.config import RunConfig
from pipeline.errors import PipelineError
from pipeline.labelers.audio_chat.address import endpoint_of
from pipeline.labelers.audio_chat.api import AudioChatApi
from pipeline.labelers.audio_chat.prices import flat, prices_of
from pipeline.labelers.remote.labeler import Remote


class AudioChat(Remote):
    """Labels features by asking any OpenAI-compatible service."""

    method: ClassVar[str] = "audio-chat"

    def api(self, config: RunConfig) -> AudioChatApi:
        """The service, with this config's prices."""
        return AudioChatApi(config.audio_chat)

    def model(self, config: RunConfig) -> str:
        """The variant's model, else the config's; raises `PipelineError` if it has no price."""
        priced = prices_of(config.audio_chat)
        if self.variant:
            named = {flat(model): model for model in priced}
            wanted, found = self.variant, named.get(self.variant, "")
        else:
            wanted, found = config.audio_chat.model, config.audio_chat.model
        if not wanted:
            raise PipelineError("[audio_chat] model is empty: name it, or use audio-chat@MODEL")
        if found not in priced:
            known = ", ".join(priced) or "none"
            raise PipelineError(
                f"[audio_chat] prices has none for {wanted!r}, so no budget could hold; it has: "
                f"{known}; add {wanted}=AUDIO/TEXT/OUTPUT (0/0/0 for a server of your own)"
            )
        return found

    def outside(self, config: RunConfig) -> Mapping[str, str]:
        """Fingerprint of the prompt and the schema; the method's name says which model is asked."""
        self.model(config)
        return super().outside(config)

    def ready(self, config: RunConfig) -> None:
        """Raise `PipelineError` if there is no price or address, or the address may not receive the
        key."""
        if find_spec("httpx") is None:
            raise PipelineError("audio-chat needs the package httpx: pip install httpx")
        self.model(config)
        endpoint_of(config.audio_chat)
