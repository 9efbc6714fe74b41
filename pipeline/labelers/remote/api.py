"""What a paid service has to be able to do: answer a call, have its replies read, name its price.

To add a service: a subclass of `Api`, a subclass of `remote.labeler.Remote` that makes it, its
section with a `RemoteConfig` as its base, and its lines in `pipeline.labelers` (`LABELERS`,
`ABOUT`, `PAID`). Ledger, budget, retries, and the reading of answers come with that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pipeline.config import RemoteConfig
from pipeline.labelers.remote import faults
from pipeline.labelers.remote.answers import Answer, UnusableAnswer, answer_in
from pipeline.labelers.remote.calls import without
from pipeline.labelers.remote.questions import Question


@dataclass(frozen=True)
class Outcome:
    """The outcome of a call: a reply, or the reason why there is none."""

    reply: dict[str, Any] | None = None
    reason: str = ""
    wait: float | None = None
    """Seconds before a retry; 0 leaves it to the backoff, None means no retry."""
    final: bool = False
    """Whether the refusal of the question is final."""
    perhaps: bool = False
    """Whether the call may have been charged without a reply."""
    stop: str = ""
    """Why no further question may be asked now; empty if others may."""


class Api(ABC):
    """A service under one section of a config. Reading and pricing need no key and no network."""

    service: ClassVar[str]
    """How messages call it."""
    section: ClassVar[str]
    """The config's section."""
    encoding: ClassVar[str] = "flac"
    """How the sound is sent, `flac` or `wav`."""

    def __init__(self, config: RemoteConfig) -> None:
        self.config = config

    @property
    @abstractmethod
    def secret(self) -> str:
        """The API key, which nothing written may contain; empty if there is none."""

    @property
    def takes_a_day(self) -> bool:
        """Whether answers may take up to a day."""
        return False

    def close(self) -> None:  # noqa: B027 - most need nothing
        """Close connections; a later call opens new ones."""

    @abstractmethod
    def call(self, asked: Question, sound: bytes) -> Outcome:
        """Ask once. Called from several threads at a time."""

    @abstractmethod
    def text_of(self, reply: Mapping[str, Any]) -> tuple[str, bool]:
        """The text of a reply, and whether it was cut off at the limit of tokens.

        Raises `UnusableAnswer` if there is none, or `AttributeError`, `TypeError` or `KeyError` if
        the reply has an odd form.
        """

    @abstractmethod
    def version_of(self, reply: Mapping[str, Any]) -> str:
        """The model that answered, according to the reply; empty if the reply does not say."""

    @abstractmethod
    def is_model(self, version: str, asked: str) -> bool:
        """Whether `version` is the model asked for, or a numbered release of it."""

    @abstractmethod
    def price(self, model: str, sound: float, prompt: float, answer: float) -> float:
        """Cost of a call in dollars, from its tokens of audio, of the prompt and of the answer."""

    @abstractmethod
    def paid(self, asked_model: str, reply: Mapping[str, Any]) -> float | None:
        """Cost of a reply by its own token counts, dollars; None if it does not say."""

    def note_on(self, reply: Mapping[str, Any]) -> str:
        """What else the provenance of a label should say of the reply."""
        return ""

    def answer_of(self, reply: Mapping[str, Any], asked_model: str) -> Answer:
        """The answer in a raw reply; raises `UnusableAnswer` with the reason if there is none."""
        if "unreadable" in reply:
            raise UnusableAnswer("malformed", "malformed answer: the reply is not JSON")
        try:
            version, (text, cut) = self.version_of(reply), self.text_of(reply)
        except (AttributeError, TypeError, KeyError) as error:
            reason = "malformed answer: the reply has an odd form"
            raise UnusableAnswer("malformed", reason) from error
        if not self.is_model(version, asked_model):
            raise UnusableAnswer(
                "model", f"answered by {version or 'an unnamed model'}, not by {asked_model}"
            )
        return answer_in(text, cut=cut)

    def fault_of(self, reply: Mapping[str, Any], asked_model: str) -> str:
        """What is wrong with a reply, as in `UnusableAnswer.fault`; empty if nothing is wrong."""
        try:
            return self.answer_of(reply, asked_model).fault
        except UnusableAnswer as error:
            return error.fault

    def clean(self, text: str) -> str:
        """The text in one line, without the API key."""
        return without(self.secret, text)

    def outcome_of_error(self, code: int, text: str, details: str, wait: float) -> Outcome:
        """The outcome of an HTTP error; `text`: its status and message, `details`: all of it."""
        if faults.speaks_of_the_question(code, details):
            return Outcome(reason=faults.refusal(code, text), final=True)
        reason = f"HTTP {code} {text}".strip()
        if faults.may_pass(code):
            return Outcome(reason=reason, wait=wait)
        # The key, the model or the account is the problem, so the next call would fail too.
        stop = f"{self.service} refuses: {reason}; solve this and start again to ask the other"
        return Outcome(reason=reason, stop=f"{stop} questions")

    def outcome_of_loss(self, error: Exception, *, is_timeout: bool) -> Outcome:
        """The outcome of a time-out or a lost connection."""
        reason = f"connection lost: {type(error).__name__}"
        if is_timeout:
            reason = f"no answer within {self.config.timeout_seconds:g} s"
        return Outcome(reason=reason, wait=0.0, perhaps=faults.may_have_been_sent(error))

    def outcome_of_text(self, text: str) -> Outcome:
        """The outcome of a body that is not JSON."""
        text = self.clean(text)[:300]
        if faults.is_page(text):
            return Outcome(reason=f"a web page came instead of an answer: {text}", wait=0.0)
        # There was a reply, which may have been charged, but not in the API's format.
        return Outcome(reply={"unreadable": text})
