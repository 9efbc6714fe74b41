"""The sections of a run's config.

The string under each field gives its meaning and unit. Fields that the site's form shows have it as
`help` in their metadata instead, where the form reads it.
"""

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
"""The hookpoints of Singh, Cherep and Maes (arXiv 2505.18186) by name: the output of these blocks,
counted from 0, of MusicGen small (24 blocks) and large (48)."""
CENTRES = ("geometric_median", "mean")
KERNELS = ("exact", "bf16", "int8", "dense")
VARIANTS = ("topk", "batch-topk", "jumprelu")
THRESHOLD_UNITS = ("normalised", "relative")
SYNONYMS = ("words", "clap")

FEATURE_PRESETS: dict[str, dict[str, Any]] = {
    "paper": {"threshold": 0.0, "threshold_unit": "normalised", "min_rate": 0.01, "max_rate": 0.25},
    "small": {"threshold": 3.0, "threshold_unit": "normalised", "min_rate": 0.01, "max_rate": 0.25},
}
"""`paper`: Singh, Cherep and Maes (arXiv 2505.18186); a latent fires in a track if its maximum is
greater than 0. Suits dictionaries of 65,536. `small`: the same rates, but with a threshold of three
times the RMS of the input, for dictionaries of a few thousand, where every latent exceeds 0
somewhere in most tracks. Both were fixed before anyone looked at what the features respond to."""


def parse_hookpoint(name: str) -> tuple[int, str]:
    """Block (from 0) and site of a hookpoint such as `decoder.layers.3.resid_post`.

    Raises `PipelineError` if the name has any other form.
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
        _require(value > 0, f"[{where}] {name} is {value}; it must be greater than 0")


@dataclass(frozen=True)
class CorpusConfig:
    """Which recordings are used, and how they are cut and split."""

    path: Path | None = field(
        default=None,
        metadata=guard(Guard.CORPUS)
        | {"help": "Corpus folder (overridden by --corpus on the command line)."},
    )
    adapter: str = "folder"
    """How the folder is read: one of `pipeline.corpus.adapters.ADAPTERS`."""
    clip_seconds: float = field(
        default=10.0, metadata={"help": "Length of each excerpt, in seconds."}
    )
    windows: int = 1
    """Number of excerpts per track, evenly spaced and not overlapping: 1 takes the middle, 0 takes
    as many as fit. Unless this is 1, each excerpt counts as a separate track, `TRACK@SECONDS`."""
    min_seconds: float = 3.0
    """Tracks shorter than this are excluded, in seconds."""
    silence_db: float = -60.0
    """A track whose peak is below this is excluded as silent, in dBFS."""
    train_share: float = 0.5
    """Expected share of artists (of tracks, where no artist is given) used to train the SAE."""
    validation_share: float = 0.25
    """Expected share used for firing rates, filter and exemplars; the rest is the test split."""
    split_salt: str = "earwitness"
    """Text mixed into the hash that splits the corpus: another salt gives another split."""

    def __post_init__(self) -> None:
        _require_positive(self, "corpus", "clip_seconds", "min_seconds")
        _require(self.windows >= 0, f"[corpus] windows is {self.windows}; it must be 0 or more")
        shares = (self.train_share, self.validation_share, self.test_share)
        _require(
            all(share > 0 for share in shares),
            f"[corpus] train_share {self.train_share} and validation_share "
            f"{self.validation_share} leave {self.test_share:.3g} for the test split; "
            "all three must be greater than 0",
        )

    def folder(self) -> Path:
        """The corpus folder; raises `PipelineError` if none is given."""
        if self.path is None:
            raise PipelineError("no corpus is given: set [corpus] path, or use --corpus DIR")
        return self.path

    @property
    def test_share(self) -> float:
        """Expected share on which labels and recovery are scored."""
        return 1.0 - self.train_share - self.validation_share


@dataclass(frozen=True)
class SubjectConfig:
    """The frozen music generator that is studied."""

    REQUIRED: ClassVar[tuple[str, ...]] = ("model", "hookpoints")

    model: str = field(
        default="",
        metadata=guard(Guard.MODEL)
        | {"help": "A local folder, or a name on the model hub such as facebook/musicgen-small."},
    )
    # The named presets are in `HOOKPOINT_PRESETS`.
    hookpoints: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "Where activations are read, e.g. decoder.layers.3.resid_post; or paper-small "
            "or paper-large."
        },
    )
    backend: str = "transformers"
    """The implementation that loads the model: one of `pipeline.subjects.SUBJECTS`."""
    precision: str = "float32"
    """Number format of the decoder's forward pass: float32, bfloat16 or float16."""
    control: str = "none"
    """Control condition: what to read instead of the subject's activations. `random`: the same
    architecture with a freshly initialised decoder; `phase-randomised-corpus`: the subject on
    tracks with randomised phases; `codec-latents`; `mel-spectrogram`."""
    control_seed: int = 0
    """Seed for the initialisation under `random`."""

    def __post_init__(self) -> None:
        _require(bool(self.model), "[subject] model is empty: give a folder or a hub name")
        _require(bool(self.hookpoints), "[subject] hookpoints is empty: give at least one")
        spelt_out = [
            one for name in self.hookpoints for one in HOOKPOINT_PRESETS.get(name, (name,))
        ]
        object.__setattr__(self, "hookpoints", tuple(spelt_out))
        for name in self.hookpoints:
            parse_hookpoint(name)
        _require(
            len(set(self.hookpoints)) == len(self.hookpoints),
            f"[subject] hookpoints lists one of them twice: {', '.join(self.hookpoints)}",
        )
        _require_choice(self.precision, PRECISIONS, "[subject] precision")
        _require_choice(self.control, CONTROLS, "[subject] control")


@dataclass(frozen=True)
class SaeConfig:
    """The sparse autoencoders: one for each hookpoint, expansion and k."""

    expansions: tuple[int, ...] = field(
        default=(8,),
        metadata={"help": "Dictionary size as a multiple of the activation width."},
    )
    ks: tuple[int, ...] = field(default=(16,), metadata={"help": "Active latents per frame (k)."})
    steps: int = field(default=2000, metadata={"help": "Number of optimiser steps."})
    batch_frames: int = 1024
    """Frames per optimiser step."""
    learning_rate: float | None = None
    """Peak learning rate of Adam; if it is not given, `pipeline.sae.rates` chooses it by n and
    `steps`."""
    warmup_share: float = 0.05
    """Share of the steps, at the start, during which the learning rate rises from 0."""
    decay_share: float = 0.2
    """Share of the steps, at the end, during which the learning rate falls to 0."""
    centre: str = "geometric_median"
    """Initial value of `b_dec`: the `geometric_median` or the `mean` of the training frames."""
    aux_k: int = 64
    """Number of dead latents with which the AuxK loss reconstructs the error; 0 switches it off."""
    aux_weight: float = 1 / 32
    """Weight of the AuxK loss (Gao et al., arXiv 2406.04093)."""
    dead_after_frames: int = 100_000
    """A latent that has not fired for this many frames counts as dead."""
    clip_norm: float = 0.0
    """The gradient of all weights together is shortened to this length where it is longer; 0 for
    never."""
    kernel: str = "exact"
    """How a step is computed, one of `pipeline.sae.kernels.KERNELS`: `exact`, in fp32; `bf16`
    and `int8`, which preselect latents in these where the machine can; `dense`, the slow
    reference."""
    variant: str = "topk"
    """Which latents of a batch fire, one of `pipeline.sae.variants.VARIANTS`: `topk`, the k largest
    of each frame; `batch-topk`, the largest of the batch, k per frame on average; `jumprelu`, all
    over a threshold of their own, which is trained towards k per frame."""
    prefixes: tuple[float, ...] = ()
    """Matryoshka: shares of the latents, such as 0.125, 0.25 and 0.5, of which the first so many
    must reconstruct by themselves too."""
    scaled_start: bool = False
    """Scale the encoder once, before the first step, so that the first reconstructions have the
    length that fits best; see docs/saes.md."""
    together: bool = False
    """Train all SAEs of a hookpoint on the same batches, from one reading of the activations."""
    checkpoint: str = field(
        default="",
        metadata=guard(Guard.MODEL)
        | {
            "help": "An SAE of one hookpoint to use in place of training: a folder, or OWNER/NAME "
            "or OWNER/NAME/FOLDER on the model hub, as SAELens, sparsify or dictionary_learning "
            "saved it. If empty, SAEs are trained."
        },
    )
    checkpoint_hook: str = ""
    """What the checkpoint calls the hookpoint, if that is a name that Earwitness does not know."""
    seed: int = field(
        default=0, metadata={"help": "Seed for the initialisation and the order of the frames."}
    )

    SINCE_KEYS: ClassVar[tuple[str, ...]] = (
        "clip_norm", "kernel", "variant", "prefixes", "scaled_start", "together",
        "checkpoint", "checkpoint_hook",
    )  # fmt: skip
    """Fields that runs of earlier versions do not know; in a run's key unless at their default."""

    def __post_init__(self) -> None:
        _require(bool(self.expansions) and bool(self.ks), "[sae] expansions or ks is empty")
        for name in ("expansions", "ks"):
            values = getattr(self, name)
            _require(
                min(values) > 0 and len(set(values)) == len(values),
                f"[sae] {name} is {list(values)}; each must be greater than 0 and listed once",
            )
        _require_positive(self, "sae", "steps", "batch_frames", "dead_after_frames")
        if self.learning_rate is not None:
            _require_positive(self, "sae", "learning_rate")
        _require(
            min(self.warmup_share, self.decay_share) >= 0
            and self.warmup_share + self.decay_share <= 1,
            f"[sae] warmup_share {self.warmup_share} and decay_share {self.decay_share} "
            "must be shares of the steps, 0 or more, with a sum of at most 1",
        )  # fmt: skip
        _require(self.aux_k >= 0, f"[sae] aux_k is {self.aux_k}; it must be 0 or more")
        _require(self.clip_norm >= 0, f"[sae] clip_norm is {self.clip_norm}; it must be 0 or more")
        _require_choice(self.centre, CENTRES, "[sae] centre")
        _require_choice(self.kernel, KERNELS, "[sae] kernel")
        _require_choice(self.variant, VARIANTS, "[sae] variant")
        _require(
            all(0 < share < 1 for share in self.prefixes)
            and list(self.prefixes) == sorted(set(self.prefixes)),
            f"[sae] prefixes is {list(self.prefixes)}; it must list shares between 0 and 1, "
            "ascending",
        )


@dataclass(frozen=True)
class FeaturesConfig:
    """Which latents are kept as features. Values that are not given come from the preset."""

    # The presets are in `FEATURE_PRESETS`.
    preset: str = field(
        default="small",
        metadata={
            "help": "When a latent fires. paper: above 0, for dictionaries of 65,536; small: above "
            "3 × RMS, for a few thousand."
        },
    )
    threshold: float | None = None
    """τ: a latent fires in a track if its maximum activation there exceeds this."""
    threshold_unit: str | None = None
    """`normalised`: in units of the RMS of the centred input activations. `relative`: as a share of
    the latent's own maximum over the validation tracks."""
    min_rate: float | None = None
    """Drop latents that fire in a smaller share of the validation tracks than this."""
    max_rate: float | None = None
    """Drop latents that fire in a larger share of the validation tracks than this."""
    min_tracks: int = 10
    """Drop latents that fire in fewer validation tracks than this."""
    neighbours: int = 10
    """Number of nearest neighbours (by decoder cosine, among kept features) listed per feature."""

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
            f"[features] threshold is {threshold}; under threshold_unit 'relative' it is a share "
            "of the latent's maximum and must be less than 1",
        )
        _require(
            0 <= low < high <= 1,
            f"[features] min_rate is {low} and max_rate {high}; both must be shares from 0 to 1, "
            "min_rate the smaller",
        )
        _require_positive(self, "features", "min_tracks", "neighbours")

    @property
    def filter(self) -> tuple[float, float, float]:
        """Threshold, smallest rate, largest rate."""
        if self.threshold is None or self.min_rate is None or self.max_rate is None:
            raise PipelineError(
                f"[features] preset {self.preset!r} lacks threshold, min_rate or max_rate"
            )
        return self.threshold, self.min_rate, self.max_rate


@dataclass(frozen=True)
class ExemplarsConfig:
    """The tracks that show what a feature responds to."""

    count: int = 10
    """Number of exemplars per feature: the validation tracks with the highest mean activation,
    among those in which the feature fires."""

    def __post_init__(self) -> None:
        _require_positive(self, "exemplars", "count")


@dataclass(frozen=True)
class LabelsConfig:
    """Which methods label the features."""

    methods: tuple[str, ...] = ("descriptors", "corpus-tags")
    """Any of `pipeline.labelers.LABELERS`."""
    candidates: int = field(
        default=10,
        metadata={"help": "Maximum number of candidate labels per feature and method."},
    )
    seed: int = field(default=0, metadata={"help": "Seed for methods that draw at random."})
    random_label_of: str = ""
    """The method whose labels `random-label` shuffles; if empty, the first non-control method."""
    synonyms: str = "words"
    """When two texts count as the same label. `words`: their words agree, apart from inflection and
    filler words; `clap`: that, or the text encoder of [clap] finds them close enough."""
    synonym_cosine: float = 0.98
    """Under `clap`, texts count as the same label if the cosine of their embeddings (minus the mean
    embedding of plain phrases) is at least this."""

    def __post_init__(self) -> None:
        _require_positive(self, "labels", "candidates")
        _require_choice(self.synonyms, SYNONYMS, "[labels] synonyms")
        _require(
            0 < self.synonym_cosine <= 1,
            f"[labels] synonym_cosine is {self.synonym_cosine}; it must be greater than 0 and at "
            "most 1",
        )


@dataclass(frozen=True)
class ScoresConfig:
    """How labels are scored."""

    scorers: tuple[str, ...] = ("reading",)
    """Any of `pipeline.scorers.SCORERS`."""
    min_tracks: int = 5
    """A score needs at least this many test tracks in which the feature fires, and as many in which
    it does not."""
    interval_level: float = 0.95
    """Confidence level of the interval around a score."""
    seed: int = 0
    """Seed for scorers that draw at random."""
    per_class: int = 50
    """Maximum number of test tracks that the CLAP scorers draw per feature, of those in which it
    fires and again of those in which it does not."""
    hard_share: float = 0.5
    """Share of the non-firing tracks that are drawn where the feature's nearest neighbours fire."""
    window_seconds: float = 2.0
    """Length of the excerpts that `localisation` compares, in seconds."""

    def __post_init__(self) -> None:
        _require_positive(self, "scores", "min_tracks", "per_class", "window_seconds")
        _require(
            0 <= self.hard_share < 1,
            f"[scores] hard_share is {self.hard_share}; it must be at least 0 and less than 1",
        )
        _require(
            0 < self.interval_level < 1,
            f"[scores] interval_level is {self.interval_level}; it must be between 0 and 1, "
            "such as 0.95",
        )


@dataclass(frozen=True)
class MachineConfig:
    """How a run uses the machine. Affects speed, not results, and is not part of the run's key."""

    device: str = field(default="cpu", metadata={"help": "The torch device: cpu or cuda."})
    workers: int = 2
    """Number of tracks, or SAEs, processed in parallel."""
    threads: int = 1
    """torch threads per worker; 0 lets torch decide. On CPUs, more workers help more."""
    batch_tracks: int = 1
    """Tracks per batch in the codec and the decoder; use 16 or more on a GPU."""
    memory_gb: float = 2.0
    """Memory that the stage `features` takes to sort what every latent does in every track, in GB,
    beside the SAE's weights and one batch per worker; the rest waits on disk. At least 0.01."""
    snapshot_steps: int = 1000
    """The training of an SAE is stored every so many steps, and a killed run continues from there;
    0 for never. An SAE that is finished before the stage is, is stored in any case."""
    online: bool = False
    """Do not store activations, but compute them when they are read, at all hookpoints in one pass;
    the results are the same. The shards that were computed last are kept, up to `memory_gb`; those
    that are wanted after that are computed again. Needs `[sae] together`."""
    confined: bool = False
    """Exclude recordings that the corpus lists but that lie outside its folder (after following
    links). The site sets this for researchers who may not read this machine's files."""

    def __post_init__(self) -> None:
        _require_positive(self, "machine", "workers", "batch_tracks")
        _require(
            self.memory_gb >= 0.01,
            f"[machine] memory_gb is {self.memory_gb}; it must be 0.01 or more",
        )
        for name in ("threads", "snapshot_steps"):
            value = getattr(self, name)
            _require(value >= 0, f"[machine] {name} is {value}; it must be 0 or more")
