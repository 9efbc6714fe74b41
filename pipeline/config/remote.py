"""The config's sections for methods that ask a model that listens.

`RemoteConfig` is what the sections of paid services over the network have in common. A call costs
what the section's prices say, and the section's budget holds for all calls of a run under it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from pipeline.config.guard import Guard, guard
from pipeline.config.sections import _require, _require_choice, _require_positive
from pipeline.errors import PipelineError

UNKNOWN = ("fail", "ask")
UNANSWERED = ("stop", "fail")
PRICED = ("audio", "text", "output")
DTYPES = ("auto", "float32", "bfloat16", "float16")
AGAIN = ("malformed", "cut", "blocked", "empty", "refused")
HOW = (
    "base_url", "timeout_seconds", "attempts", "backoff_seconds", "concurrency",
    "requests_per_minute", "budget_dollars", "unknown", "unanswered", "again",
)  # fmt: skip
"""Fields that change how a service is asked, but not what."""


@dataclass(frozen=True)
class AskedConfig:
    """What is asked of a model that listens."""

    NAME: ClassVar[str]
    OPERATIONAL: ClassVar[tuple[str, ...]] = ()
    PATHS: ClassVar[tuple[str, ...]] = ("prompt",)

    prompt: Path | None = None
    """File with a prompt to use instead of the built-in one; `{clips}` and `{concepts}` in it are
    replaced by the numbers."""
    concepts: int = 5
    """Minimum number of concepts to ask for."""
    clip_seconds: float = 10.0
    """Length of the excerpt taken from the middle of each exemplar, in seconds."""

    def __post_init__(self) -> None:
        _require_positive(self, self.NAME, "concepts", "clip_seconds")


@dataclass(frozen=True)
class RemoteConfig(AskedConfig):
    """What is asked of a service, how fast, and within which budget."""

    OPERATIONAL: ClassVar[tuple[str, ...]] = HOW
    PATHS: ClassVar[tuple[str, ...]] = ("prompt", "ledger")

    temperature: float | None = None
    """Sampling temperature. If not set, the service's default, which Google recommends from
    Gemini 3.5 on."""
    base_url: str = field(default="", metadata=guard(Guard.ADDRESS))
    """Address of the API. If empty, the one that the environment names, else the service's own. The
    key is sent to no other host."""
    timeout_seconds: float = 120.0
    """A call that takes longer is aborted and retried, in seconds."""
    attempts: int = 5
    """Maximum number of attempts per call, including the first."""
    backoff_seconds: float = 2.0
    """Mean wait before the first retry, doubled before each further one, in seconds."""
    concurrency: int = 4
    """Maximum number of simultaneous calls."""
    requests_per_minute: float = 60.0
    """Maximum number of calls started per minute."""
    budget_dollars: float = field(default=10.0, metadata=guard(Guard.MONEY))
    """Budget for the whole run in US dollars, all SAEs and all models of the section together. If
    the estimate is higher, nothing is asked. No call starts unless the budget covers it together
    with the calls in progress and those that may have been charged."""
    unknown: str = "fail"
    """What to do about a call that was in progress when the process was killed, and may have been
    charged: `fail` marks its feature as failed with that reason, `ask` repeats the call."""
    unanswered: str = "stop"
    """What to do about a question that no attempt got an answer to (an outage, a quota, an expired
    batch). `stop`: stop the stage; the next start continues it. `fail`: mark its feature as failed
    and go on; `run --redo labels` asks it again."""
    again: tuple[str, ...] = ()
    """Kinds of bad answers to ask for, and pay for, again at each start: `malformed`, `cut` (at the
    token limit), `blocked`, `empty`, `refused`. Until then, the usable part of them is used."""
    ledger: Path | None = None
    """File that records all calls and answers; several runs may share it. If not set, it lies in
    the run directory."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_choice(self.unknown, UNKNOWN, f"[{self.NAME}] unknown")
        _require_choice(self.unanswered, UNANSWERED, f"[{self.NAME}] unanswered")
        for kind in self.again:
            _require_choice(kind, AGAIN, f"[{self.NAME}] again")
        for name in ("budget_dollars", "backoff_seconds"):
            self._require_amount(name)
        _require_positive(
            self, self.NAME, "timeout_seconds", "attempts", "concurrency", "requests_per_minute"
        )  # fmt: skip

    def _require_amount(self, name: str) -> None:
        value = getattr(self, name)
        _require(value >= 0, f"[{self.NAME}] {name} is {value}; it must be 0 or more")


@dataclass(frozen=True)
class GeminiConfig(RemoteConfig):
    """Gemini, called over the network."""

    NAME: ClassVar[str] = "gemini"
    OPERATIONAL: ClassVar[tuple[str, ...]] = (
        *HOW, "dollars_per_million_audio", "dollars_per_million_text",
        "dollars_per_million_output", "batch", "poll_seconds",
    )  # fmt: skip

    model: str = field(default="gemini-3.5-flash-lite", metadata=guard(Guard.REMOTE_MODEL))
    """The model to use, unless the method names another, as in `gemini@MODEL`. Models are retired:
    gemini-2.5-flash on 1 December 2026, see https://ai.google.dev/gemini-api/docs/deprecations."""
    dollars_per_million_audio: float = field(default=0.3, metadata=guard(Guard.MONEY))
    """Price per million audio tokens. The three prices are those of the default model on 7 October
    2026; check them at https://ai.google.dev/gemini-api/docs/pricing."""
    dollars_per_million_text: float = field(default=0.3, metadata=guard(Guard.MONEY))
    """Price per million text tokens in the prompt."""
    dollars_per_million_output: float = field(default=2.5, metadata=guard(Guard.MONEY))
    """Price per million output tokens, including thinking tokens."""
    batch: bool = False
    """Use batch jobs: half the price, answers within a day."""
    poll_seconds: float = 60.0
    """Interval between checks of a batch job's state, in seconds."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(bool(self.model), "[gemini] model is empty")
        for kind in PRICED:
            self._require_amount(f"dollars_per_million_{kind}")
        _require_positive(self, "gemini", "poll_seconds")


@dataclass(frozen=True)
class Prices:
    """What a model costs, in US dollars."""

    model: str
    audio: float
    """Per million audio tokens."""
    text: float
    """Per million text tokens in the prompt."""
    output: float
    """Per million output tokens."""
    request: float = 0.0
    """Per request."""


@dataclass(frozen=True)
class AudioChatConfig(RemoteConfig):
    """Any service with OpenAI's `/v1/chat/completions` that takes audio: vLLM, OpenRouter, a lab's
    own server."""

    NAME: ClassVar[str] = "audio_chat"
    OPERATIONAL: ClassVar[tuple[str, ...]] = (*HOW, "prices")

    model: str = field(default="", metadata=guard(Guard.REMOTE_MODEL))
    """The model of the method `audio-chat`. `audio-chat@NAME` asks the model of `prices` with that
    name, in which `--` stands for each character that a method's name cannot have, such as `/`."""
    prices: tuple[str, ...] = field(default=(), metadata=guard(Guard.MONEY))
    """Price of each model: `MODEL=AUDIO/TEXT/OUTPUT`, dollars per million tokens, or
    `MODEL=AUDIO/TEXT/OUTPUT/REQUEST` with dollars per request too. The same list,
    separated by commas, can stand in `EARWITNESS_AUDIO_CHAT_MODELS`; the config's prices come
    first. A model without a price is not asked; a server of one's own costs `MODEL=0/0/0`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        price_list(self.prices, "[audio_chat] prices")


def price_list(entries: Iterable[str], where: str) -> dict[str, Prices]:
    """Prices by model, from entries as in `[audio_chat] prices`.

    Raises `PipelineError` for another form, naming `where` it stands.
    """
    found = (_prices(entry, where) for entry in entries)
    return {prices.model: prices for prices in found}


def _prices(entry: str, where: str) -> Prices:
    model, _, given = entry.rpartition("=")
    try:
        numbers = [float(part) for part in given.split("/")]
    except ValueError:
        numbers = []
    if (
        not model.strip()
        or len(numbers) not in (3, 4)
        or not all(0 <= one < 1e9 for one in numbers)
    ):
        raise PipelineError(
            f"{where} has {entry!r}: write MODEL=AUDIO/TEXT/OUTPUT in dollars per "
            "million tokens, perhaps with /REQUEST in dollars per request after it"
        )
    return Prices(model.strip(), *numbers)


@dataclass(frozen=True)
class CaptionerConfig(AskedConfig):
    """Music captioners on this machine, through transformers."""

    NAME: ClassVar[str] = "captioner"
    PATHS: ClassVar[tuple[str, ...]] = ("prompt", "models")

    models: tuple[str, ...] = field(default=(), metadata=guard(Guard.MODEL))
    """Folders, or names on the model hub. `captioner` asks the first, `captioner@NAME` the one
    whose last part is NAME, so that several can be compared."""
    dtype: str = "auto"
    """Number format of the weights: `auto` (as they were saved), `float32`, `bfloat16`,
    `float16`."""
    max_tokens: int = 1024
    """Maximum number of tokens of an answer; what is cut off is lost."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_choice(self.dtype, DTYPES, "[captioner] dtype")
        _require_positive(self, "captioner", "max_tokens")
