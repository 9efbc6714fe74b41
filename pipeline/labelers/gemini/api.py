"""Gemini's API: the client, what its replies contain, its errors and its prices."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.config import GeminiConfig
from pipeline.errors import PipelineError
from pipeline.labelers.gemini import replies
from pipeline.labelers.gemini.address import base_url_of
from pipeline.labelers.remote import faults
from pipeline.labelers.remote.api import Api, Outcome
from pipeline.labelers.remote.questions import SCHEMA, Question

if TYPE_CHECKING:
    from google.genai import Client

VARIABLE = "GEMINI_API_KEY"


class GeminiApi(Api):
    """Gemini under one config."""

    service: ClassVar[str] = "Gemini"
    section: ClassVar[str] = "gemini"
    config: GeminiConfig

    @property
    def secret(self) -> str:
        """The API key; empty if there is none."""
        return os.environ.get(VARIABLE, "")

    @property
    def takes_a_day(self) -> bool:
        """Whether answers come from batch jobs."""
        return self.config.batch

    @cached_property
    def client(self) -> Client:
        """A client that does not retry by itself.

        Raises `PipelineError` if there is no key, or the config names a host that may not receive
        it.
        """
        from google.genai import Client, types

        options = types.HttpOptions(
            base_url=base_url_of(self.config),
            api_version="v1beta",
            timeout=round(1000 * self.config.timeout_seconds),
            # A redirect would send the key to wherever it leads.
            client_args={"follow_redirects": False},
        )
        return Client(api_key=key_of(), http_options=options)

    def call(self, asked: Question, sound: bytes) -> Outcome:
        """Ask once."""
        from google.genai import errors, types

        timeouts, losses = faults.transport_errors()
        try:
            response = self.client.models.generate_content(
                model=asked.model,
                contents=[types.Part.from_bytes(data=sound, mime_type="audio/flac"), asked.prompt],
                config=types.GenerateContentConfig(
                    temperature=self.config.temperature,
                    response_mime_type="application/json",
                    response_schema=SCHEMA,
                ),
            )
        except errors.APIError as error:
            text = self.clean(f"{error.status or ''}: {error.message or ''}")[:200]
            details = f"{error.status} {error.details}"
            return self.outcome_of_error(int(error.code or 0), text, details, _wait(error))
        except (*timeouts, *losses) as error:
            return self.outcome_of_loss(error, is_timeout=isinstance(error, timeouts))
        except (ValueError, errors.UnknownApiResponseError) as error:
            # If the package failed to parse the body as JSON, `doc` holds all of it.
            return self.outcome_of_text(str(getattr(error, "doc", error)))
        reply = response.model_dump(
            mode="json", by_alias=True, exclude_none=True,
            exclude={"sdk_http_response", "parsed", "automatic_function_calling_history"},
        )  # fmt: skip
        return Outcome(reply=reply)

    def text_of(self, reply: Mapping[str, Any]) -> tuple[str, bool]:
        """The answer's text, and whether it was cut off."""
        return replies.text_of(reply)

    def version_of(self, reply: Mapping[str, Any]) -> str:
        """The reply's `modelVersion`."""
        return replies.version_of(reply)

    def is_model(self, version: str, asked: str) -> bool:
        """Whether it is that model, or a numbered release of it (`NAME-001`)."""
        return replies.is_model(version, asked)

    def price(self, model: str, sound: float, prompt: float, answer: float) -> float:
        """Cost in dollars of these numbers of tokens; half if in a batch."""
        whole = (
            sound * self.config.dollars_per_million_audio
            + prompt * self.config.dollars_per_million_text
            + answer * self.config.dollars_per_million_output
        ) / 1e6
        return whole / 2 if self.config.batch else whole

    def paid(self, asked_model: str, reply: Mapping[str, Any]) -> float | None:
        """Cost of a reply by its own token counts, dollars; 0 if it has none, None if it cannot be
        read."""
        if "unreadable" in reply:
            return None
        return self.price(asked_model, *replies.tokens_of(reply))


def key_of() -> str:
    """The API key; raises `PipelineError` if there is none."""
    key = os.environ.get(VARIABLE, "")
    if not key:
        raise PipelineError(f"gemini needs a key: set {VARIABLE}")
    return key


def body_of(config: GeminiConfig, asked: Question, sound: bytes) -> dict[str, Any]:
    """The request in the API's JSON format, for batch jobs."""
    inline = {"mime_type": "audio/flac", "data": base64.b64encode(sound).decode()}
    generation: dict[str, Any] = {
        "response_mime_type": "application/json",
        "response_schema": SCHEMA,
    }
    if config.temperature is not None:
        generation["temperature"] = config.temperature
    return {
        "contents": [{"role": "user", "parts": [{"inline_data": inline}, {"text": asked.prompt}]}],
        "generation_config": generation,
    }


def _wait(error: Any) -> float:
    """Seconds to wait according to an error's header or RetryInfo; 0 if it does not say."""
    response = getattr(error, "response", None)
    header = str((getattr(response, "headers", None) or {}).get("retry-after") or "")
    told = re.search(r"'retryDelay': '([0-9.]+)s'", str(error.details))
    return faults.seconds_to_wait(header or (told.group(1) if told else ""))
