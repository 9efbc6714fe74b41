"""The tables that stages pass on, from the corpus to scores: their columns, meanings and units are
defined only here. See `pipeline.store.records` for how they become Parquet."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.store.records import column


@dataclass(frozen=True, slots=True)  # slots where there are very many
class TrackRecord:
    """`corpus.parquet`: one recording of the corpus."""

    track: str = column("identifier, the same in every file of the run")
    path: str = column("where the audio is, from the corpus folder")
    sha256: str = column("of the audio file's bytes; empty if it could not be read")
    seconds: float = column("length of the excerpt used", "s")
    start_seconds: float = column("where the excerpt begins in the file", "s")
    sample_rate: int = column("of the file", "Hz")
    artist: str = column("who made it; empty if not known. Splits never part an artist")
    split: str = column("train, validation or test; empty if set aside")
    tags: tuple[str, ...] = column("the corpus's own tags")
    caption: str = column("the corpus's own description")
    license: str = column("of the recording")
    status: str = column("ok or set_aside")
    reason: str = column("why it was set aside")
    group: str = column(
        "what the split does not part, where it is another than the artist", default=""
    )
    peak: float | None = column("largest absolute sample, full scale is 1", default=None)
    loudness_lufs: float | None = column(
        "integrated loudness (ITU-R BS.1770); null for silence", "LUFS", default=None
    )
    clipped_share: float | None = column("samples at full scale, of all", default=None)


@dataclass(frozen=True)
class SetAsideRecord:
    """`activations/set_aside.parquet`: a usable track whose activations could not be computed. The
    file is only written if there are any."""

    track: str = column("identifier, as in corpus.parquet")
    reason: str = column("why it was set aside")


@dataclass(frozen=True)
class TrainingRecord:
    """`sae/NAME/training.parquet`: the training curve, on frames of the train split. Validation
    results are in the metadata of `cfg.json`: `validation_fvu`, `validation_l0` and
    `validation_dead_share`."""

    step: int = column("optimiser steps done")
    batch_mse: float = column(
        "mean squared error per dimension on the step's own batch", "squared normalised activation"
    )
    batch_variance_explained: float = column("1 − error over variance of the step's own batch")
    dead_share: float = column(
        "latents that fired in none of the last train frames (the config's window), over all"
    )


@dataclass(frozen=True, kw_only=True)
class QualityRecord:
    """`quality.parquet`: one SAE on validation tracks, written by `python -m pipeline quality`.
    Formulas: `pipeline/sae/evaluate.py`, `pipeline/subjects/losses.py`."""

    sae: str = column("name of the SAE")
    hookpoint: str = column("where the SAE reads")
    n_latents: int = column("number of latents")
    k: int = column("latents per frame that it was trained for")
    frames: int = column("validation frames of the next six columns")
    fvu: float = column("fraction of variance unexplained")
    l0: float = column("latents above 0 per frame, on average")
    dead_share: float = column("latents above 0 in no frame, over all")
    dense_share: float = column("latents above 0 in more than a tenth of the frames, over all")
    cosine: float = column("mean cosine of frame and reconstruction, both less b_dec")
    densities: tuple[int, ...] = column(
        "latents by the share of frames in which they are above 0: up to 1e-5, 1e-4, 1e-3, 1e-2, "
        "1e-1, 1; without those that never are"
    )
    loss_tracks: int = column("validation tracks of the columns that follow; 0 if not measured")
    loss: tuple[float, ...] = column("the subject's cross-entropy of each codebook's codes", "nats")
    loss_reconstructed: tuple[float, ...] = column(
        "the same with the SAE's reconstruction in place of the stream at the hookpoint", "nats"
    )
    loss_mean: tuple[float, ...] = column(
        "the same with the mean of these tracks' frames in its place", "nats"
    )
    loss_zero: tuple[float, ...] = column("the same with zeros in its place", "nats")
    loss_recovered: float | None = column(
        "(loss_mean − loss_reconstructed) / (loss_mean − loss), each summed over codebooks"
    )
    loss_recovered_from_zero: float | None = column(
        "the same with loss_zero in place of loss_mean, as SAELens has it"
    )


@dataclass(frozen=True, slots=True)
class FeatureRecord:
    """`features/NAME.parquet`: one latent, kept or dropped."""

    feature: str = column("NAME/INDEX")
    sae: str = column("name of the SAE")
    hookpoint: str = column("where the SAE reads")
    index: int = column("of the latent, from 0")
    rate: float = column("firing_tracks over usable validation tracks")
    firing_tracks: int = column("validation tracks whose maximum exceeds the threshold")
    mean_activation: float = column(
        "mean over validation tracks of the track's mean over its frames", "normalised activation"
    )
    max_activation: float = column("over all frames of validation", "normalised activation")
    kept: bool = column("whether it passed the filter")
    reason: str = column("why it was dropped")


@dataclass(frozen=True)
class NeighbourRecord:
    """`features/NAME.neighbours.parquet`: a kept feature and one of its nearest kept features."""

    feature: str = column("NAME/INDEX")
    neighbour: str = column("NAME/INDEX of another kept feature of the same SAE")
    rank: int = column("1 is the nearest")
    cosine: float = column("of the two decoder directions")


@dataclass(frozen=True, kw_only=True)
class ExemplarRecord:
    """`exemplars/NAME.parquet`: a clip that represents a kept feature, which fires in it."""

    feature: str = column("NAME/INDEX")
    rank: int = column("1 is the strongest mean activation")
    track: str = column("of the corpus")
    clip: str = column("SHA-256 of exemplars/NAME/clips/CLIP.flac")
    mean_activation: float = column("over the frames of the track", "normalised activation")
    max_activation: float | None = column(
        "over the frames of the track, over the threshold τ; null in runs made before it was kept",
        "normalised activation",
        default=None,
    )
    peak_seconds: float = column("where in the clip the feature is strongest", "s")
    start_seconds: float = column("where the clip begins in the corpus's file", "s")
    seconds: float = column("length of the clip", "s")


@dataclass(frozen=True)
class LabelCandidate:
    """`labels/NAME/METHOD.parquet`: one text from one method for one feature."""

    feature: str = column("NAME/INDEX")
    rank: int = column("1 is the method's best")
    text: str = column("the label; empty if status is failed")
    confidence: float = column("the method's own, 0 to 1")
    description: str = column("what the method adds, for people")
    status: str = column("ok or failed", default="ok")
    reason: str = column("why it failed", default="")
    provenance: str = column(
        "what made it: a donor feature, the methods combined, a model's version and reply",
        default="",
    )
    name: str = column("the same for near-synonyms, whatever feature or method", default="")
    merged: tuple[str, ...] = column("near-synonyms that this text stands for", default=())


@dataclass(frozen=True)
class OverallRecord:
    """`labels/NAME/METHOD/overall.parquet`: one overall name per feature; not used as an option."""

    feature: str = column("NAME/INDEX")
    name: str = column("what the exemplars share, in a few words")
    summary: str = column("the same in sentences")
    confidence: float = column("the method's own, 0 to 1")
    model_version: str = column("the model that says it answered")
    reply: str = column("key of the raw reply in replies.jsonl")


@dataclass(frozen=True)
class ScoreRecord:
    """`scores/NAME/SCORER.parquet`: the score of one label."""

    feature: str = column("NAME/INDEX")
    method: str = column("whose label")
    rank: int = column("the label's rank under the method")
    score: float | None = column("the scorer's figure; null if status is not ok")
    low: float | None = column("lower end of the score's interval")
    high: float | None = column("upper end of the score's interval")
    contrast: float | None = column("score less that of what the scorer compares with")
    n_positive: int = column("graded tracks where the feature fires")
    n_negative: int = column("graded tracks where it does not")
    comparable: bool = column("whether scores of different methods may be compared")
    status: str = column("ok or failed", default="ok")
    reason: str = column("why it failed", default="")
    held_out: bool = column("whether no graded track had a part in the label", default=True)
    interval: str = column("kind of the interval from low to high", default="")
    balanced_accuracy: float | None = column(
        "mean of hits and right rejections at the threshold best on validation", default=None
    )
    hard_score: float | None = column(
        "the score against tracks where the nearest directions fire alone", default=None
    )
    retrieval_rank: int | None = column(
        "1 + texts of the method that score higher for the feature", default=None
    )
    retrieval_of: int | None = column("different texts of the method", default=None)
    heard_by: str = column(
        "backend and fingerprint of the CLAP that scored, and no other may stand beside it; empty "
        "for the method's own ear",
        default="",
    )
