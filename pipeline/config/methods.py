"""The config's sections of single methods and scorers. Each field has its meaning under it.

A section is part of a run's key only if a method or scorer of the run uses it; `OPERATIONAL` lists
fields that say how fast or where, not what, and `PATHS` those in whose place a fingerprint stands.
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
    """The model that says how well a text fits a sound."""

    OPERATIONAL: ClassVar[tuple[str, ...]] = ("batch",)
    PATHS: ClassVar[tuple[str, ...]] = ("model",)

    model: str = field(default="", metadata=guard(Guard.MODEL))
    """A folder or hub name (default: `EARWITNESS_CLAP_MODEL`)."""
    backend: str = "transformers"
    """A name in `pipeline.clap.backends.BACKENDS`. Scores of two backends are never comparable."""
    batch: int = 16
    """Sounds, or texts, per batch."""

    def __post_init__(self) -> None:
        _require_positive(self, "clap", "batch")


@dataclass(frozen=True)
class EssentiaConfig:
    """Essentia's classifiers."""

    PATHS: ClassVar[tuple[str, ...]] = ("models",)

    models: Path | None = field(default=None, metadata=guard(Guard.MODEL))
    """Folder with the .pb and .json files (default: `EARWITNESS_ESSENTIA_MODEL`)."""
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
    """File names, without ending, of the heads that are asked."""
    per_head: int = 3
    """Maximum number of tags that a head gives a feature."""

    def __post_init__(self) -> None:
        _require_positive(self, "essentia", "per_head")
        _require(bool(self.heads), "[essentia] heads is empty: name at least one")
        for head in self.heads:
            _require(
                Path(head).name == head,
                f"[essentia] heads has {head!r}; it must be a file's name, without its folder",
            )


@dataclass(frozen=True)
class GeminiConfig:
    """Gemini, asked over the network: what is asked, how fast, and for how much."""

    OPERATIONAL: ClassVar[tuple[str, ...]] = (
        "base_url", "timeout_seconds", "attempts", "backoff_seconds", "concurrency",
        "requests_per_minute", "budget_dollars", "dollars_per_million_audio",
        "dollars_per_million_text", "dollars_per_million_output", "batch", "poll_seconds",
        "unknown", "unanswered", "again",
    )  # fmt: skip
    PATHS: ClassVar[tuple[str, ...]] = ("prompt", "ledger")

    model: str = field(default="gemini-3.5-flash-lite", metadata=guard(Guard.REMOTE_MODEL))
    """The model asked, unless the method names another: `gemini@MODEL`. Models retire:
    gemini-2.5-flash on 1 December 2026 by https://ai.google.dev/gemini-api/docs/deprecations."""
    prompt: Path | None = None
    """A file in place of the shipped prompt; `{clips}` and `{concepts}` in it are filled in."""
    concepts: int = 5
    """Minimum number of concepts to ask for."""
    temperature: float | None = None
    """None leaves it to the service, which from Gemini 3.5 on advises against any other."""
    clip_seconds: float = 10.0
    """Length of the excerpt from the middle of each exemplar, seconds."""
    base_url: str = field(default="", metadata=guard(Guard.ADDRESS))
    """Where the API is; empty is Google's own, or what `EARWITNESS_GEMINI_URL` names. The key is
    sent to no other host."""
    timeout_seconds: float = 120.0
    """A call that takes longer is given up and tried again, seconds."""
    attempts: int = 5
    """Maximum number of tries per call, including the first."""
    backoff_seconds: float = 2.0
    """Mean wait before the second try, doubled before each further one, seconds."""
    concurrency: int = 4
    """Maximum number of calls at the same time."""
    requests_per_minute: float = 60.0
    """Maximum number of calls started per minute."""
    budget_dollars: float = field(default=10.0, metadata=guard(Guard.MONEY))
    """Budget of the whole run, all SAEs and `gemini@MODEL` methods together: nothing is asked if
    the estimate is higher, and no call starts that the budget would not cover, counting calls under
    way and calls that may have been paid for."""
    dollars_per_million_audio: float = field(default=0.3, metadata=guard(Guard.MONEY))
    """Price per million tokens of sound. The three prices are the default model's, as the list at
    https://ai.google.dev/gemini-api/docs/pricing had them on 7 October 2026: look there first."""
    dollars_per_million_text: float = field(default=0.3, metadata=guard(Guard.MONEY))
    """Price per million tokens of prompt."""
    dollars_per_million_output: float = field(default=2.5, metadata=guard(Guard.MONEY))
    """Price per million tokens of answer, including thoughts."""
    batch: bool = False
    """Ask by batch jobs: half the price, an answer within a day."""
    poll_seconds: float = 60.0
    """How often a batch job is polled, seconds."""
    unknown: str = "fail"
    """What becomes of a call that was under way when the process was killed, and may have been
    paid for: `fail` its feature with that reason, or `ask` again."""
    unanswered: str = "stop"
    """What becomes of a question that got no answer in all tries (an outage, a quota, an expired
    batch): `stop` the stage, which a later start continues, or `fail` its feature and go on;
    `run --redo labels` asks it again."""
    again: tuple[str, ...] = ()
    """Kinds of answers that each start asks for again, and pays for again: `malformed`, `cut` (at
    the limit of tokens), `blocked`, `empty`, `refused`. What is whole in them is used till then."""
    ledger: Path | None = None
    """File of all calls and answers, which runs may share; default: in the run."""

    def __post_init__(self) -> None:
        _require(bool(self.model), "[gemini] model is empty")
        _require_choice(self.unknown, UNKNOWN, "[gemini] unknown")
        _require_choice(self.unanswered, UNANSWERED, "[gemini] unanswered")
        for kind in self.again:
            _require_choice(kind, AGAIN, "[gemini] again")
        for name in ("budget_dollars", *(f"dollars_per_million_{of}" for of in PRICED)):
            _require(getattr(self, name) >= 0, f"[gemini] {name} is under 0")
        _require_positive(
            self, "gemini", "concepts", "clip_seconds", "timeout_seconds", "attempts",
            "concurrency", "requests_per_minute", "poll_seconds",
        )  # fmt: skip
        _require(self.backoff_seconds >= 0, "[gemini] backoff_seconds is under 0")


@dataclass(frozen=True)
class FreeTextConfig:
    """What listeners wrote in an earlier study of the same features."""

    PATHS: ClassVar[tuple[str, ...]] = ("responses",)

    responses: Path | None = None
    """The earlier study's `responses.csv`."""
    run: str = ""
    """The run that the study was of, by the identifier in the file's column `run`. Its corpus,
    subject and dictionaries must be this run's, so that its features are. Must be named."""
    min_participants: int = 1
    """A text written by fewer listeners is not a candidate."""

    def __post_init__(self) -> None:
        _require_positive(self, "free_text", "min_participants")


@dataclass(frozen=True)
class EnsembleConfig:
    """How several methods' candidates become one list."""

    PATHS: ClassVar[tuple[str, ...]] = ("responses",)

    methods: tuple[str, ...] = ()
    """What is combined; empty: every method of the run but controls and other ensembles."""
    damping: float = 60.0
    """κ of reciprocal rank fusion."""
    responses: Path | None = None
    """An earlier study's `responses.csv`, to weigh methods and ranks by listeners' answers."""
    run: str = ""
    """The run that the study was of, as under [free_text]; must be named with `responses`."""

    def __post_init__(self) -> None:
        _require(self.damping >= 0, f"[ensemble] damping is {self.damping}; it must be 0 or more")
