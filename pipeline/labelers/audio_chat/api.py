"""The dialect of OpenAI's chat completions, as vLLM, OpenRouter and others speak it too.

The question is the prompt and the clips as one WAV file (the one format that all of them take). The
answer's form is asked for by `response_format` of type `json_schema`. A server that refuses that is
asked again at once with the schema in words, and so for the rest of this start; the label's
provenance then says so.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.config import AudioChatConfig
from pipeline.labelers.audio_chat import replies
from pipeline.labelers.audio_chat.address import endpoint_of, key
from pipeline.labelers.audio_chat.prices import prices_of
from pipeline.labelers.remote import faults
from pipeline.labelers.remote.api import Api, Outcome
from pipeline.labelers.remote.questions import IN_WORDS, Question, json_schema

if TYPE_CHECKING:
    import httpx

NO_SCHEMA = ("response_format", "json_schema", "json schema", "structured output", "guided")
"""Words in a refusal of the answer's form, and not of the question."""


class AudioChatApi(Api):
    """One service under one config."""

    service: ClassVar[str] = "audio-chat"
    section: ClassVar[str] = "audio_chat"
    encoding: ClassVar[str] = "wav"
    config: AudioChatConfig

    def __init__(self, config: AudioChatConfig) -> None:
        super().__init__(config)
        self._has_schema = True

    @property
    def secret(self) -> str:
        """The API key; empty if there is none."""
        return key()

    @cached_property
    def client(self) -> httpx.Client:
        """A client that follows no redirect: that would send the key to wherever it leads."""
        import httpx

        headers = {"Authorization": f"Bearer {key()}"} if key() else {}
        return httpx.Client(
            headers=headers, timeout=self.config.timeout_seconds, follow_redirects=False
        )

    def call(self, asked: Question, sound: bytes) -> Outcome:
        """Ask once; twice if the server refuses the schema, which costs nothing."""
        import httpx

        with_schema = self._has_schema
        try:
            response = self._post(asked, sound, with_schema=with_schema)
            if with_schema and _refuses_schema(response):
                self._has_schema = with_schema = False
                response = self._post(asked, sound, with_schema=False)
        except httpx.TimeoutException as error:
            return self.outcome_of_loss(error, is_timeout=True)
        except httpx.RequestError as error:
            return self.outcome_of_loss(error, is_timeout=False)
        outcome = self._outcome_of(response)
        if outcome.reply is not None and not with_schema:
            outcome.reply[replies.FORMAT] = "words"
        return outcome

    def _post(self, asked: Question, sound: bytes, *, with_schema: bool) -> httpx.Response:
        body = body_of(self.config, asked, sound, with_schema=with_schema)
        return self.client.post(endpoint_of(self.config), json=body)

    def _outcome_of(self, response: httpx.Response) -> Outcome:
        """The outcome of a reply of any status."""
        found = _json_of(response)
        code, error = _error_in(response, found)
        if code == 200 and not error:
            if not isinstance(found, dict):
                return self.outcome_of_text(response.text)
            return _failed_choice(found) or Outcome(reply=found)
        said = error.get("message") if isinstance(error, dict) else error
        text = self.clean(str(said or response.text))[:200]
        wait = faults.seconds_to_wait(response.headers.get("retry-after", ""))
        return self.outcome_of_error(code, text, response.text[:10_000], wait)

    def close(self) -> None:
        """Close the connections."""
        if "client" in self.__dict__:
            self.client.close()
            del self.client

    def text_of(self, reply: Mapping[str, Any]) -> tuple[str, bool]:
        """The answer's text, and whether it was cut off."""
        return replies.text_of(reply)

    def version_of(self, reply: Mapping[str, Any]) -> str:
        """The reply's `model`."""
        return replies.version_of(reply)

    def is_model(self, version: str, asked: str) -> bool:
        """Whether it is that model, or a dated release of it."""
        return replies.is_model(version, asked)

    def note_on(self, reply: Mapping[str, Any]) -> str:
        """Whether the schema was only asked for in words."""
        return "schema in words: the server takes no JSON schema" if replies.FORMAT in reply else ""

    def price(self, model: str, sound: float, prompt: float, answer: float) -> float:
        """Cost of a call in dollars at the model's prices."""
        one = prices_of(self.config)[model]
        tokens = sound * one.audio + prompt * one.text + answer * one.output
        return one.request + tokens / 1e6

    def paid(self, asked_model: str, reply: Mapping[str, Any]) -> float | None:
        """Cost of a reply by its own token counts; None if it has none."""
        counted = replies.tokens_of(reply)
        if counted is None or asked_model not in prices_of(self.config):
            return None
        return self.price(asked_model, *counted)


def body_of(
    config: AudioChatConfig, asked: Question, sound: bytes, *, with_schema: bool
) -> dict[str, Any]:
    """The request in the API's JSON format."""
    data, prompt = base64.b64encode(sound).decode(), asked.prompt
    if not with_schema:
        prompt = f"{prompt}\n\n{IN_WORDS}"
    content = [
        {"type": "text", "text": prompt},
        {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}},
    ]
    body: dict[str, Any] = {
        "model": asked.model, "messages": [{"role": "user", "content": content}]
    }  # fmt: skip
    if with_schema:
        form = {"name": "concepts", "strict": True, "schema": json_schema()}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    if config.temperature is not None:
        body["temperature"] = config.temperature
    return body


def _json_of(response: httpx.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None


def _refuses_schema(response: httpx.Response) -> bool:
    """Whether a server refuses the answer's form, and not the question."""
    code, _ = _error_in(response, _json_of(response))
    said = response.text[:10_000].casefold()
    return code in (400, 404, 415, 422, 501) and any(word in said for word in NO_SCHEMA)


def _error_in(response: httpx.Response, found: Any) -> tuple[int, Any]:
    """The HTTP code, and the error in the reply's JSON if there is one.

    Routers report the error of the server behind them with status 200: then its code counts. An
    empty one is none.
    """
    error = found.get("error") if isinstance(found, dict) else None
    if response.status_code == 200 and error and isinstance(error, dict):
        return _code_of(error), error
    return response.status_code, error


def _code_of(error: Mapping[str, Any]) -> int:
    """The HTTP code in an error's body; 502 if it names none, since a server behind failed."""
    code = str(error.get("code") or "")
    return int(code) if code.isdecimal() and 400 <= int(code) < 600 else 502


def _failed_choice(reply: Mapping[str, Any]) -> Outcome | None:
    """The outcome if the server behind a router failed in the middle of its answer."""
    choices = reply.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(first, dict) or first.get("finish_reason") != "error":
        return None
    return Outcome(reason="the answer broke off with an error", wait=0.0, perhaps=True)
