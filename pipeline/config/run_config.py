"""A run's whole config: its sections put together, and what can be asked of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.config.methods import (
    ClapConfig,
    EnsembleConfig,
    EssentiaConfig,
    FreeTextConfig,
    GeminiConfig,
)
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

METHOD_SECTIONS = ("clap", "essentia", "gemini", "free_text", "ensemble")
"""Sections of single methods: part of the key only where one of the run uses them."""


@dataclass(frozen=True)
class RunConfig:
    """All that decides what a run computes, and on what machine it does."""

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
    free_text: FreeTextConfig = field(default_factory=FreeTextConfig)
    ensemble: EnsembleConfig = field(default_factory=EnsembleConfig)
    machine: MachineConfig = field(default_factory=MachineConfig)

    def to_dict(self) -> dict[str, Any]:
        """A plain dict that `config_from_dict` reads back, with absolute paths and every default.

        `None` values are left out, since TOML and JSON forms then agree.
        """
        return {
            section: {name: _plain(value) for name, value in values.items() if value is not None}
            for section, values in asdict(self).items()
        }

    def seeds(self) -> dict[str, int]:
        """Every seed of the run, by what it decides."""
        return {
            "sae": self.sae.seed,
            "subject_control": self.subject.control_seed,
            "labels": self.labels.seed,
            "scores": self.scores.seed,
        }

    def with_corpus(self, path: Path) -> RunConfig:
        """The same config reading another corpus folder."""
        folder = Path(path).resolve()
        try:
            str(folder).encode()
        except UnicodeEncodeError as error:
            raise PipelineError(
                f"the corpus folder {str(folder)!r} is not UTF-8: rename it"
            ) from error
        return replace(self, corpus=replace(self.corpus, path=folder))

    def with_ceiling(self, dollars: float) -> RunConfig:
        """The same config with a Gemini budget of at most `dollars`; under 0 is 0.

        The budget is no part of the run's key. It counts what the run has spent before.
        """
        least = max(0.0, min(self.gemini.budget_dollars, dollars))
        return replace(self, gemini=replace(self.gemini, budget_dollars=least))


def _plain(value: Any) -> Any:
    """A value that JSON and TOML can hold."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    return value
