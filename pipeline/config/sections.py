"""The sections of a run's config. Each field has its meaning and unit under it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pipeline.config.guard import Guard, guard
from pipeline.errors import PipelineError

HOOKPOINT_PATTERN = re.compile(r"decoder\.layers\.(\d+)\.(resid_pre|resid_post)")
PRECISIONS = ("float32", "bfloat16", "float16")
CONTROLS = ("none", "random", "phase-randomised-corpus", "codec-latents", "mel-spectrogram")

HOOKPOINT_PRESETS = {
    name: tuple(f"decoder.layers.{block}.resid_post" for block in blocks)
    for name, blocks in (
        ("paper-small", (2, 6, 12, 18, 22)),
        ("paper-large", (2, 12, 24, 36, 46)),
    )
}
"""The hookpoints of Singh, Cherep and Maes (arXiv 2505.18186) by name: what leaves these blocks,
counted from 0, of MusicGen small (24 blocks) and large (48)."""
CENTRES = ("geometric_median", "mean")
THRESHOLD_UNITS = ("normalised", "relative")
SYNONYMS = ("words", "clap")

FEATURE_PRESETS: dict[str, dict[str, Any]] = {
    "paper": {"threshold": 0.0, "threshold_unit": "normalised", "min_rate": 0.01, "max_rate": 0.25},
    "small": {"threshold": 3.0, "threshold_unit": "normalised", "min_rate": 0.01, "max_rate": 0.25},
}
"""`paper`: Singh, Cherep and Maes (arXiv 2505.18186), a latent fires where its maximum is over 0;
made for dictionaries of 65,536. `small`: the same rates with a threshold of three times the RMS
of the input, for dictionaries of a few thousand, where any latent exceeds 0 somewhere in most
tracks. Both were fixed without looking at what the features stand for."""


def parse_hookpoint(name: str) -> tuple[int, str]:
    """Block (from 0) and site of a hookpoint such as `decoder.layers.3.resid_post`.

    Raises `PipelineError` if the name is of another form.
    """
    match = HOOKPOINT_PATTERN.fullmatch(name)
    if match is None:
        raise PipelineError(
            f"hookpoint {name!r} is not of the form decoder.layers.BLOCK.resid_post "
            f"(or resid_pre), blocks counted from 0, nor one of {', '.join(HOOKPOINT_PRESETS)}"
        )
    return int(match.group(1)), match.group(2)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise PipelineError(message)


def _require_choice(value: str, choices: tuple[str, ...], where: str) -> None:
    _require(value in choices, f"{where} is {value!r}; known: {', '.join(choices)}")


def _require_positive(section: object, where: str, *names: str) -> None:
    for name in names:
        value = getattr(section, name)
        _require(value > 0, f"[{where}] {name} is {value}; it must be over 0")


@dataclass(frozen=True)
class CorpusConfig:
    """Which recordings, and how they are cut and split."""

    path: Path | None = field(default=None, metadata=guard(Guard.CORPUS))
    """Corpus folder (overridden by `--corpus` on the command line)."""
    adapter: str = "folder"
    """How the folder is read: a name in `pipeline.corpus.adapters.ADAPTERS`."""
    clip_seconds: float = 10.0
    """Length of an excerpt, seconds."""
    windows: int = 1
    """Excerpts of a longer track, spread evenly over it without overlap: 1 is its middle, 0 is as
    many as fit. With another number than 1 each excerpt is a track of its own, `TRACK@SECONDS`."""
    min_seconds: float = 3.0
    """Shorter tracks are excluded, seconds."""
    silence_db: float = -60.0
    """A track whose loudest sample is below this is excluded as silent, dB of full scale."""
    train_share: float = 0.5
    """Expected share of artists (else tracks) that the SAE is trained on."""
    validation_share: float = 0.25
    """Expected share for rates, filter and exemplars; the rest is the test split."""
    split_salt: str = "earwitness"
    """Mixed into the hash that splits: a different salt gives a different split."""

    def __post_init__(self) -> None:
        _require_positive(self, "corpus", "clip_seconds", "min_seconds")
        _require(self.windows >= 0, f"[corpus] windows is {self.windows}; it must be 0 or more")
        shares = (self.train_share, self.validation_share, self.test_share)
        _require(
            all(share > 0 for share in shares),
            f"[corpus] train_share {self.train_share} and validation_share "
            f"{self.validation_share} leave {self.test_share:.3g} for test; each must be over 0",
        )

    def folder(self) -> Path:
        """The corpus folder; raises `PipelineError` if none is given."""
        if self.path is None:
            raise PipelineError("no corpus is given: set [corpus] path, or use --corpus DIR")
        return self.path

    @property
    def test_share(self) -> float:
        """Expected share that labels and recovery are graded on."""
        return 1.0 - self.train_share - self.validation_share


@dataclass(frozen=True)
class SubjectConfig:
    """The frozen generator that is studied."""

    REQUIRED: ClassVar[tuple[str, ...]] = ("model", "hookpoints")

    model: str = field(default="", metadata=guard(Guard.MODEL))
    """A local folder, or a name on the model hub (`facebook/musicgen-small`)."""
    hookpoints: tuple[str, ...] = ()
    """Where activations are read, e.g. `decoder.layers.3.resid_post`; or `paper-small` or
    `paper-large`, see `HOOKPOINT_PRESETS`."""
    backend: str = "transformers"
    """A name in `pipeline.subjects.SUBJECTS`."""
    precision: str = "float32"
    """Number format of the decoder's forward: float32, bfloat16 or float16."""
    control: str = "none"
    """What is read in the subject's place: `random`, the same architecture with a freshly
    initialised decoder; `phase-randomised-corpus`, the subject on tracks of random phases;
    `codec-latents`; `mel-spectrogram`."""
    control_seed: int = 0
    """Seed of the initialisation of `random`."""

    def __post_init__(self) -> None:
        _require(bool(self.model), "[subject] model is empty: give a folder or a hub name")
        _require(bool(self.hookpoints), "[subject] hookpoints is empty: name at least one")
        spelt_out = [
            one for name in self.hookpoints for one in HOOKPOINT_PRESETS.get(name, (name,))
        ]
        object.__setattr__(self, "hookpoints", tuple(spelt_out))
        for name in self.hookpoints:
            parse_hookpoint(name)
        _require(
            len(set(self.hookpoints)) == len(self.hookpoints),
            f"[subject] hookpoints names one twice: {', '.join(self.hookpoints)}",
        )
        _require_choice(self.precision, PRECISIONS, "[subject] precision")
        _require_choice(self.control, CONTROLS, "[subject] control")


@dataclass(frozen=True)
class SaeConfig:
    """The sparse autoencoders: one for each hookpoint, expansion and k."""

    expansions: tuple[int, ...] = (8,)
    """Dictionary size as a multiple of the activation width."""
    ks: tuple[int, ...] = (16,)
    """Active latents per frame (k)."""
    steps: int = 2000
    """Optimiser steps."""
    batch_frames: int = 1024
    """Frames per step."""
    learning_rate: float = 1e-3
    """Adam's peak learning rate."""
    warmup_share: float = 0.05
    """Share of the steps, at the start, during which the learning rate rises from 0."""
    decay_share: float = 0.2
    """Share of the steps, at the end, during which the learning rate falls to 0."""
    centre: str = "geometric_median"
    """Start of the decoder's bias: `geometric_median` or `mean` of train frames."""
    aux_k: int = 64
    """Number of dead latents that AuxK uses to explain the error; 0 switches it off."""
    aux_weight: float = 1 / 32
    """Weight of that loss (Gao et al., arXiv 2406.04093)."""
    dead_after_frames: int = 100_000
    """A latent that has not fired in this many frames counts as dead."""
    seed: int = 0
    """Seed of the initialisation and of the frame order."""

    def __post_init__(self) -> None:
        _require(bool(self.expansions) and bool(self.ks), "[sae] expansions or ks is empty")
        for name in ("expansions", "ks"):
            values = getattr(self, name)
            _require(
                min(values) > 0 and len(set(values)) == len(values),
                f"[sae] {name} is {list(values)}; each must be over 0 and named once",
            )
        _require_positive(
            self, "sae", "steps", "batch_frames", "learning_rate", "dead_after_frames"
        )
        _require(
            min(self.warmup_share, self.decay_share) >= 0
            and self.warmup_share + self.decay_share <= 1,
            f"[sae] warmup_share {self.warmup_share} and decay_share {self.decay_share} "
            "must be shares of the steps that together are at most 1",
        )  # fmt: skip
        _require(self.aux_k >= 0, f"[sae] aux_k is {self.aux_k}; it must be 0 or more")
        _require_choice(self.centre, CENTRES, "[sae] centre")


@dataclass(frozen=True)
class FeaturesConfig:
    """Which latents count as features. What is not given comes from the preset."""

    preset: str = "small"
    """`small` or `paper`; see `FEATURE_PRESETS`."""
    threshold: float | None = None
    """τ: a latent fires in a track if its maximum there exceeds this."""
    threshold_unit: str | None = None
    """`normalised`: the RMS of a centred activation is 1. `relative`: share of the latent's own
    maximum over validation tracks."""
    min_rate: float | None = None
    """A latent that fires in a smaller share of validation tracks is dropped."""
    max_rate: float | None = None
    """A latent that fires in a larger share of validation tracks is dropped."""
    min_tracks: int = 10
    """A latent that fires in fewer validation tracks is dropped."""
    neighbours: int = 10
    """Number of nearest kept decoder directions listed per kept feature."""

    def __post_init__(self) -> None:
        _require_choice(self.preset, tuple(FEATURE_PRESETS), "[features] preset")
        for name, value in FEATURE_PRESETS[self.preset].items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        _require_choice(str(self.threshold_unit), THRESHOLD_UNITS, "[features] threshold_unit")
        threshold, low, high = self.filter
        _require(threshold >= 0, f"[features] threshold is {threshold}; it must be 0 or more")
        _require(
            self.threshold_unit != "relative" or threshold < 1,
            f"[features] threshold is {threshold}, a share of a latent's maximum: under 1",
        )
        _require(
            0 <= low < high <= 1,
            f"[features] rates from {low} to {high} are not shares with low under high",
        )
        _require_positive(self, "features", "min_tracks", "neighbours")

    @property
    def filter(self) -> tuple[float, float, float]:
        """Threshold, smallest rate, largest rate."""
        if self.threshold is None or self.min_rate is None or self.max_rate is None:
            raise PipelineError("[features] a preset left a value open")
        return self.threshold, self.min_rate, self.max_rate


@dataclass(frozen=True)
class ExemplarsConfig:
    """The tracks that show what a feature responds to."""

    count: int = 10
    """Validation tracks kept per feature: of those where it fires, the largest mean activations."""

    def __post_init__(self) -> None:
        _require_positive(self, "exemplars", "count")


@dataclass(frozen=True)
class LabelsConfig:
    """Which methods label the features."""

    methods: tuple[str, ...] = ("descriptors", "corpus-tags")
    """Names in `pipeline.labelers.LABELERS`."""
    candidates: int = 10
    """Maximum number of candidate labels per feature and method."""
    seed: int = 0
    """Seed for methods that draw at random."""
    random_label_of: str = ""
    """The method whose labels `random-label` shuffles; empty: the first that is not a control."""
    synonyms: str = "words"
    """What makes two texts the same label: `words` (the same words but for form and filling), or
    `clap` (that, or the text encoder of [clap])."""
    synonym_cosine: float = 0.98
    """Under `clap`, texts whose embeddings (minus the mean of plain phrases) have at least this
    cosine are the same label."""

    def __post_init__(self) -> None:
        _require_positive(self, "labels", "candidates")
        _require_choice(self.synonyms, SYNONYMS, "[labels] synonyms")
        _require(
            0 < self.synonym_cosine <= 1,
            f"[labels] synonym_cosine is {self.synonym_cosine}; it must lie in (0, 1]",
        )


@dataclass(frozen=True)
class ScoresConfig:
    """How labels are graded."""

    scorers: tuple[str, ...] = ("reading",)
    """Names in `pipeline.scorers.SCORERS`."""
    min_tracks: int = 5
    """Test tracks that must fire, and as many that must not, for a score."""
    interval_level: float = 0.95
    """Confidence level of the interval around a score."""
    seed: int = 0
    """Seed for scorers that draw at random."""
    per_class: int = 50
    """Maximum number of firing, and of silent, test tracks per feature that CLAP's scorers draw."""
    hard_share: float = 0.5
    """Share of the silent tracks that are drawn where the nearest decoder directions fire."""
    window_seconds: float = 2.0
    """Length of the pieces that `localisation` compares, seconds."""

    def __post_init__(self) -> None:
        _require_positive(self, "scores", "min_tracks", "per_class", "window_seconds")
        _require(
            0 <= self.hard_share < 1,
            f"[scores] hard_share is {self.hard_share}; it must be 0 or more and under 1",
        )
        _require(
            0 < self.interval_level < 1,
            f"[scores] interval_level is {self.interval_level}; it must lie between 0 and 1",
        )


@dataclass(frozen=True)
class MachineConfig:
    """How fast a run is, not what it computes: not part of its key."""

    device: str = "cpu"
    """torch's device: `cpu` or `cuda`."""
    workers: int = 2
    """Tracks, or SAEs, that are processed in parallel."""
    threads: int = 1
    """torch threads per worker; 0 leaves it to torch. On CPUs, more workers help more."""
    batch_tracks: int = 1
    """Tracks per batch of codec and decoder; use 16 or more on a GPU."""
    confined: bool = False
    """Whether a recording that the corpus lists but that lies outside its folder, links followed,
    is excluded. The site sets it for runs of researchers who may not read this machine's files."""

    def __post_init__(self) -> None:
        _require_positive(self, "machine", "workers", "batch_tracks")
        _require(self.threads >= 0, f"[machine] threads is {self.threads}; 0 or more")
