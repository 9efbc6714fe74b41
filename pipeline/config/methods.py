"""The config's sections for individual labeling methods and scorers.

The string under each field gives its meaning and unit. A section is part of a run's key only if one
of the run's methods or scorers uses it. `OPERATIONAL` lists fields that affect speed, place or cost
but not results, and are left out of the key; `PATHS` lists fields that the key replaces by a
fingerprint of the file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from pipeline.config.guard import Guard, guard
from pipeline.config.sections import _require, _require_choice, _require_positive

UNKNOWN = ("fail", "ask")
UNANSWERED = ("stop", "fail")
PRICED = ("audio", "text", "output")
AGAIN = ("malformed", "cut", "blocked", "empty", "refused")


@dataclass(frozen=True)
class ClapConfig:
    """CLAP, the model that measures how well a text fits a sound."""

    OPERATIONAL: ClassVar[tuple[str, ...]] = ("batch",)
    PATHS: ClassVar[tuple[str, ...]] = ("model",)

    model: str = field(
        default="",
        metadata=guard(Guard.MODEL)
        | {
            "help": "All scorers except reading need CLAP: a folder, or a name on the model hub. "
            "If empty, the one that EARWITNESS_CLAP_MODEL names."
        },
    )
    backend: str = field(
        default="transformers",
        metadata={"help": "Never compare scores from different backends."},
    )
    batch: int = 16
    """Sounds, or texts, per batch."""

    def __post_init__(self) -> None:
        _require_positive(self, "clap", "batch")


@dataclass(frozen=True)
class EssentiaConfig:
    """Essentia's classifiers."""

    PATHS: ClassVar[tuple[str, ...]] = ("models",)

    models: Path | None = field(default=None, metadata=guard(Guard.MODEL))
    """Folder with the models' .pb and .json files (default: `EARWITNESS_ESSENTIA_MODEL`)."""
    heads: tuple[str, ...] = (
        "genre_discogs400-discogs-effnet-1",
        "mtg_jamendo_instrument-discogs-effnet-1",
        "mtg_jamendo_moodtheme-discogs-effnet-1",
        "mtg_jamendo_top50tags-discogs-effnet-1",
        "voice_instrumental-discogs-effnet-1",
        "danceability-discogs-effnet-1",
        "tonal_atonal-discogs-effnet-1",
        "timbre-discogs-effnet-1",
    )
    """The classifier heads to use, by file name without extension."""
    per_head: int = 3
    """Maximum number of tags per head and feature."""

    def __post_init__(self) -> None:
        _require_positive(self, "essentia", "per_head")
        _require(bool(self.heads), "[essentia] heads is empty: give at least one")
        for head in self.heads:
            _require(
                Path(head).name == head,
                f"[essentia] heads has {head!r}; it must be a file name without its folder",
            )


@dataclass(frozen=True)
class GeminiConfig:
    """Gemini, called over the network: what is asked, how fast, and at what cost."""

    OPERATIONAL: ClassVar[tuple[str, ...]] = (
        "base_url", "timeout_seconds", "attempts", "backoff_seconds", "concurrency",
        "requests_per_minute", "budget_dollars", "dollars_per_million_audio",
        "dollars_per_million_text", "dollars_per_million_output", "batch", "poll_seconds",
        "unknown", "unanswered", "again",
    )  # fmt: skip
    PATHS: ClassVar[tuple[str, ...]] = ("prompt", "ledger")

    model: str = field(default="gemini-3.5-flash-lite", metadata=guard(Guard.REMOTE_MODEL))
    """The model to use, unless the method names another, as in `gemini@MODEL`. Models are retired:
    gemini-2.5-flash on 1 December 2026, see https://ai.google.dev/gemini-api/docs/deprecations."""
    prompt: Path | None = None
    """File with a prompt to use instead of the built-in one; `{clips}` and `{concepts}` in it are
    replaced by the numbers."""
    concepts: int = 5
    """Minimum number of concepts to ask for."""
    temperature: float | None = None
    """Sampling temperature. If not set, the service's default, which Google recommends from
    Gemini 3.5 on."""
    clip_seconds: float = 10.0
    """Length of the excerpt taken from the middle of each exemplar, in seconds."""
    base_url: str = field(default="", metadata=guard(Guard.ADDRESS))
    """Address of the API. If empty, `EARWITNESS_GEMINI_URL` if set, else Google's own. The key is
    sent to no other host."""
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
    """Budget for the whole run in US dollars, all SAEs and `gemini@MODEL` methods together. If the
    estimate is higher, nothing is asked. No call starts unless the budget covers it together with
    the calls in progress and those that may have been charged."""
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
        _require(bool(self.model), "[gemini] model is empty")
        _require_choice(self.unknown, UNKNOWN, "[gemini] unknown")
        _require_choice(self.unanswered, UNANSWERED, "[gemini] unanswered")
        for kind in self.again:
            _require_choice(kind, AGAIN, "[gemini] again")
        for name in ("budget_dollars", *(f"dollars_per_million_{of}" for of in PRICED)):
            value = getattr(self, name)
            _require(value >= 0, f"[gemini] {name} is {value}; it must be 0 or more")
        _require_positive(
            self, "gemini", "concepts", "clip_seconds", "timeout_seconds", "attempts",
            "concurrency", "requests_per_minute", "poll_seconds",
        )  # fmt: skip
        _require(
            self.backoff_seconds >= 0,
            f"[gemini] backoff_seconds is {self.backoff_seconds}; it must be 0 or more",
        )


@dataclass(frozen=True)
class FreeTextConfig:
    """What listeners wrote in an earlier study of the same features."""

    PATHS: ClassVar[tuple[str, ...]] = ("responses",)

    responses: Path | None = None
    """The `responses.csv` of the earlier study."""
    run: str = ""
    """The run that the study was about, as in the file's column `run`. Required. Its corpus,
    subject and SAEs must be the same as this run's, so that the features are the same."""
    min_participants: int = 1
    """A text becomes a candidate only if at least this many listeners wrote it."""

    def __post_init__(self) -> None:
        _require_positive(self, "free_text", "min_participants")


@dataclass(frozen=True)
class EnsembleConfig:
    """How the candidates of several methods are merged into one list."""

    PATHS: ClassVar[tuple[str, ...]] = ("responses",)

    methods: tuple[str, ...] = ()
    """The methods to merge; if empty, all of the run's except controls and other ensembles."""
    damping: float = 60.0
    """Constant κ of reciprocal rank fusion: each candidate scores 1 / (κ + rank)."""
    responses: Path | None = None
    """The `responses.csv` of an earlier study, whose answers then weight methods and ranks."""
    run: str = ""
    """The run that the study was about, as under [free_text]. Required with `responses`."""

    def __post_init__(self) -> None:
        _require(self.damping >= 0, f"[ensemble] damping is {self.damping}; it must be 0 or more")
