"""Calling the API: at a rate, several at once, again where that may help, never over the budget.

Tried again, with jitter and an honoured Retry-After: 408, 429, 5xx, time-outs, lost connections.
What was refused (other 4xx) is not. A key that is not accepted, a model that is not known, an
answer by another model, or a spent budget stops the method: calls under way end and are kept.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib import import_module
from importlib.util import find_spec
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

from pipeline.config import GeminiConfig
from pipeline.errors import PipelineError
from pipeline.gemini import costs
from pipeline.gemini.address import base_url_of
from pipeline.gemini.answers import is_model, version_of
from pipeline.gemini.calls import Calls
from pipeline.gemini.questions import SCHEMA, Question

if TYPE_CHECKING:
    from google.genai import Client

LONGEST_WAIT = 120.0
"""Between two tries, whatever the service asks for, seconds."""
STOPPING = (401, 403, 404)
"""The key or the model is at fault, so the next call would fare no better."""
RETRIED = (408, 429)


def make_client(config: GeminiConfig, key: str) -> Client:
    """A client without retries of its own.

    Raises `PipelineError` if the config names a host that may not have the key.
    """
    from google.genai import Client, types

    options = types.HttpOptions(
        base_url=base_url_of(config),
        api_version="v1beta",
        timeout=round(1000 * config.timeout_seconds),
        # A redirection would take the key along to wherever it leads.
        client_args={"follow_redirects": False},
    )
    return Client(api_key=key, http_options=options)


@dataclass
class Pace:
    """At most so many calls begin a minute, evenly."""

    per_minute: float
    _next: float = 0.0
    _lock: Lock = field(default_factory=Lock)

    def wait(self, stop: Event) -> bool:
        """Wait for one's turn; whether to go on."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + 60.0 / self.per_minute
        return not stop.wait(turn - now)


class Service:
    """Asks questions and enters every call and reply into the ledger."""

    def __init__(
        self,
        config: GeminiConfig,
        calls: Calls,
        client: Client,
        sound: Callable[[Question], bytes],
    ) -> None:
        self._config = config
        self._calls = calls
        self._client = client
        self._sound = sound
        self._pace = Pace(config.requests_per_minute)
        self._stop = Event()
        self._why = ""
        self._spent = 0.0
        self._lock = Lock()

    def ask(
        self, questions: Sequence[Question], *, spent: float, advance: Callable[[], None]
    ) -> None:
        """Ask all of them; `spent` dollars of the budget are gone already.

        Raises `PipelineError` if the method had to stop; what was answered is in the ledger.
        """
        self._spent = spent
        pool = ThreadPoolExecutor(self._config.concurrency)
        try:
            for done in as_completed([pool.submit(self._ask, asked) for asked in questions]):
                done.result()
                advance()
        finally:
            self._stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
        if self._why:
            raise PipelineError(self._why)

    def _ask(self, asked: Question) -> None:
        """One question, to its reply or to the reason why there is none."""
        if self._stop.is_set():
            return
        sound = self._sound(asked)
        reason = ""
        for attempt in range(self._config.attempts):
            if not self._pace.wait(self._stop) or not self._afford(asked):
                return
            self._calls.begin(asked.key, asked.feature)
            reply, reason, wait = self._call(asked, sound)
            if reply is not None:
                self._calls.answered(asked.key, reply)
                self._settle(asked, reply)
                return
            if wait is None:
                self._calls.unanswered(asked.key, reason, final=True)
                return
            self._calls.unanswered(asked.key, reason, final=False)
            last = attempt + 1 == self._config.attempts
            if not last and self._stop.wait(wait or self._backoff(attempt)):
                return  # The method stops: this question has tries left, and is asked again later.
        self._calls.unanswered(
            asked.key, f"no answer in {self._config.attempts} tries: {reason}", final=True
        )

    def _call(
        self, asked: Question, sound: bytes
    ) -> tuple[dict[str, Any] | None, str, float | None]:
        """Reply, or reason and the wait before another try: 0 leaves it to the backoff, None says
        that there is to be none."""
        from google.genai import errors, types

        timeouts, losses = transport_errors()
        try:
            response = self._client.models.generate_content(
                model=asked.model,
                contents=[types.Part.from_bytes(data=sound, mime_type="audio/flac"), asked.prompt],
                config=types.GenerateContentConfig(
                    temperature=self._config.temperature,
                    response_mime_type="application/json",
                    response_schema=SCHEMA,
                ),
            )
        except errors.APIError as error:
            return None, *self._judge(error)
        except timeouts:
            return None, f"no answer within {self._config.timeout_seconds:g} s", 0.0
        except losses as error:
            return None, self._calls.clean(f"connection lost: {type(error).__name__}"), 0.0
        except (ValueError, errors.UnknownApiResponseError) as error:
            # A reply came and may cost, but it is not what the API speaks.
            return {"unreadable": self._calls.clean(str(error))[:300]}, "", None
        reply = response.model_dump(
            mode="json", by_alias=True, exclude_none=True,
            exclude={"sdk_http_response", "parsed", "automatic_function_calling_history"},
        )  # fmt: skip
        return reply, "", None

    def _judge(self, error: Any) -> tuple[str, float | None]:
        """Reason and wait after an error of the API."""
        code = int(error.code or 0)
        reason = self._calls.clean(f"HTTP {code} {error.status or ''}: {error.message or ''}")[:200]
        if code in STOPPING or "API_KEY_INVALID" in str(error.details):
            self._halt(f"Gemini refuses: {reason}")
            return reason, None
        if code in RETRIED or code >= 500:
            return reason, asked_to_wait(error)
        return f"refused: {reason}", None

    def _settle(self, asked: Question, reply: dict[str, Any]) -> None:
        """Count what it cost, and stop if another model answered."""
        with self._lock:
            self._spent += costs.paid(self._config, reply)
        version = version_of(reply)
        if "unreadable" not in reply and not is_model(version, asked.model):
            self._halt(
                f"{asked.model} was asked and {version or 'an unnamed model'} answered: the "
                "service changed the model, so the method stops; name the model that you want"
            )

    def _afford(self, asked: Question) -> bool:
        with self._lock:
            total = self._spent + costs.estimated(self._config, asked)
        if total <= self._config.budget_dollars:
            return True
        self._halt(
            f"the budget of ${self._config.budget_dollars:.2f} is spent (${self._spent:.2f}); "
            "answers are kept: raise [gemini] budget_dollars to go on"
        )
        return False

    def _halt(self, why: str) -> None:
        with self._lock:
            self._why = self._why or why
        self._stop.set()

    def _backoff(self, attempt: int) -> float:
        """Twice as long each time, times a random factor around 1."""
        jitter = random.uniform(0.5, 1.5)  # noqa: S311 - spreads calls, decides nothing
        return min(LONGEST_WAIT, self._config.backoff_seconds * float(2**attempt) * jitter)


def transport_errors() -> tuple[tuple[type[Exception], ...], tuple[type[Exception], ...]]:
    """What a time-out and a lost connection raise: google-genai takes httpx2 where it is
    installed, else httpx, and their exceptions are not each other's."""
    modules = [import_module(name) for name in ("httpx", "httpx2") if find_spec(name)]
    return (
        tuple(module.TimeoutException for module in modules),
        tuple(module.TransportError for module in modules),
    )


def asked_to_wait(error: Any) -> float:
    """Seconds that a refusal asks to wait, by header or by RetryInfo; 0 if it does not say."""
    header = ""
    if getattr(error, "response", None) is not None:
        header = str((getattr(error.response, "headers", None) or {}).get("retry-after") or "")
    told = re.search(r"'retryDelay': '([0-9.]+)s'", str(error.details))
    if re.fullmatch(r"[0-9.]+", header):
        seconds = float(header)
    elif header:
        try:
            seconds = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            seconds = 0.0
    else:
        seconds = float(told.group(1)) if told else 0.0
    return min(LONGEST_WAIT, max(0.0, seconds))
