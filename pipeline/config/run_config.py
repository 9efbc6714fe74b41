"""A run's whole config: its sections put together, with seeds and variants derived from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.config.methods import (
    ClapConfig,
    EnsembleConfig,
    EssentiaConfig,
    FreeTextConfig,
)
from pipeline.config.remote import AudioChatConfig, CaptionerConfig, GeminiConfig
from pipeline.config.sections import (
    CorpusConfig,
    ExemplarsConfig,
    FeaturesConfig,
    LabelsConfig,
    MachineConfig,
    SaeConfig,
    ScoresConfig,
    SubjectConfig,
)
from pipeline.errors import PipelineError

METHOD_SECTIONS = ("clap", "essentia", "gemini", "audio_chat", "captioner", "free_text", "ensemble")
"""Sections that belong to a run's key only if one of its methods or scorers uses them."""

PAID_METHODS = {"gemini": "gemini", "audio-chat": "audio_chat"}
"""Labeling methods that ask a paid service, and the section with its prices and budget."""


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines what a run computes, and how it uses the machine."""

    subject: SubjectConfig
    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    sae: SaeConfig = field(default_factory=SaeConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)
    exemplars: ExemplarsConfig = field(default_factory=ExemplarsConfig)
    labels: LabelsConfig = field(default_factory=LabelsConfig)
    scores: ScoresConfig = field(default_factory=ScoresConfig)
    clap: ClapConfig = field(default_factory=ClapConfig)
    essentia: EssentiaConfig = field(default_factory=EssentiaConfig)
    gemini: GeminiConfig = field(default_factory=GeminiConfig)
    audio_chat: AudioChatConfig = field(default_factory=AudioChatConfig)
    captioner: CaptionerConfig = field(default_factory=CaptionerConfig)
    free_text: FreeTextConfig = field(default_factory=FreeTextConfig)
    ensemble: EnsembleConfig = field(default_factory=EnsembleConfig)
    machine: MachineConfig = field(default_factory=MachineConfig)

    def __post_init__(self) -> None:
        hookpoints = self.subject.hookpoints
        if self.sae.checkpoint and len(hookpoints) != 1:
            raise PipelineError(
                f"[sae] checkpoint is one SAE, for one hookpoint, but [subject] hookpoints lists "
                f"{len(hookpoints)}: {', '.join(hookpoints)}"
            )

    def to_dict(self) -> dict[str, Any]:
        """A plain dict that `config_from_dict` reads back, with absolute paths and all defaults.

        `None` values are left out, so that the TOML and the JSON form agree (TOML has no null).
        """
        return {
            section: {name: _plain(value) for name, value in values.items() if value is not None}
            for section, values in asdict(self).items()
        }

    def seeds(self) -> dict[str, int]:
        """Every seed of the run, keyed by what it affects."""
        return {
            "sae": self.sae.seed,
            "subject_control": self.subject.control_seed,
            "labels": self.labels.seed,
            "scores": self.scores.seed,
        }

    def with_corpus(self, path: Path) -> RunConfig:
        """The same config with another corpus folder; raises `PipelineError` if it is not UTF-8."""
        folder = Path(path).resolve()
        try:
            str(folder).encode()
        except UnicodeEncodeError as error:
            raise PipelineError(
                f"the name of the corpus folder {str(folder)!r} is not UTF-8: rename it"
            ) from error
        return replace(self, corpus=replace(self.corpus, path=folder))

    def with_ceiling(self, dollars: float) -> RunConfig:
        """The same config with budgets for paid services of at most `dollars` together; a negative
        limit counts as 0.

        Services that the run's methods ask share the limit equally. Budgets are not part of the
        run's key. What the run has already spent counts against them.
        """
        each = max(0.0, dollars) / max(1, len(self.paid_sections()))
        return replace(
            self,
            gemini=replace(self.gemini, budget_dollars=min(self.gemini.budget_dollars, each)),
            audio_chat=replace(
                self.audio_chat, budget_dollars=min(self.audio_chat.budget_dollars, each)
            ),
        )

    def paid_sections(self) -> set[str]:
        """The sections of the paid services that the run's methods ask."""
        families = {method.partition("@")[0] for method in self.labels.methods}
        return {section for method, section in PAID_METHODS.items() if method in families}


def _plain(value: Any) -> Any:
    """`value` in a form that JSON and TOML can hold: paths as text, tuples as lists."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    return value
