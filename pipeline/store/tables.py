"""The tables that stages pass on: their columns, meanings and units are defined only here.

A table is a frozen dataclass. Its Parquet schema is derived from the fields, and the meaning and
unit of each column are stored in the file, so changing one changes the bytes of every run.
`table_of` and `records_from` convert in either direction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, dataclass, field, fields
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    import pyarrow as pa

Record = TypeVar("Record")

ROWS_AT_ONCE = 1024
"""Rows of a table that are converted together."""


def column(meaning: str, unit: str = "", *, default: Any = MISSING) -> Any:
    """A column of a table, with its meaning and, if it has one, its unit."""
    metadata = {"meaning": meaning, "unit": unit}
    if default is MISSING:
        return field(metadata=metadata)
    return field(metadata=metadata, default=default)


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


@dataclass(frozen=True)
class SteeringRecord:
    """`steering/NAME.parquet`: a clip with a feature steered, and the same clip without."""

    feature: str = column("NAME/INDEX")
    hookpoint: str = column("where the vector is added")
    alpha: float = column("α: how far it is turned up")
    beta: float = column("β: largest activation over the exemplars", "raw activation")
    halves: str = column("both or conditional: which half of a guided batch gets it")
    prompt: str = column("the text that is generated from")
    seed: int = column("of the drawing, the same with and without")
    seconds: float = column("length of the clips", "s")
    clip: str = column("SHA-256 of steering/NAME/clips/CLIP.flac, steered")
    plain_clip: str = column("SHA-256 of the same without steering")
    changed_share: float = column("tokens that differ between the two, of all")
    intervention: str = column(
        "what was done, a name in pipeline/steering/interventions.py", default="add"
    )


@dataclass(frozen=True, kw_only=True)
class EffectRecord:
    """`steering/NAME.effects.parquet`: what one clip shows of one feature, beside the clip without
    steering of the same seed; written by `python -m pipeline steer DIR --evaluate`. The audio is
    not kept: it can be generated again from its row."""

    feature: str = column("NAME/INDEX, or pair/NAME for a pair of prompts")
    intervention: str = column(
        "a name in pipeline/steering/interventions.py, or random-pool: one of the directions that "
        "every feature is compared with"
    )
    draw: int = column("number of the random-pool's direction; 0 for other interventions")
    hookpoint: str = column("where the stream is changed")
    alpha: float = column("α: the dose")
    beta: float = column(
        "β that α is a multiple of: the feature's, or the one given to a direction of random-pool",
        "raw activation",
    )
    norm: float | None = column(
        "length of the added vector; null where none of fixed length is", "raw activation"
    )
    prompt: str = column("the text that is generated from")
    seed: int = column("of the drawing, the same with and without")
    seconds: float = column("length of the clip", "s")
    changed_share: float = column("tokens that differ from those without steering, of all")
    similarity: float | None = column(
        "mean CLAP cosine to the feature's exemplars; for a pair, to its positive prompts less "
        "that to its negative ones"
    )
    similarity_plain: float | None = column("the same without steering")
    label: str = column("the text of the next two columns; empty if there is none")
    label_similarity: float | None = column("CLAP cosine to the label")
    label_similarity_plain: float | None = column("the same without steering")
    concept: str = column("the planted concept that the feature detects; empty if none")
    concept_score: float | None = column("log-odds of that concept, by a classifier of sound")
    concept_score_plain: float | None = column("the same without steering")
    own_activation: float | None = column(
        "mean over frames, when the audio is read again", "normalised activation"
    )
    own_activation_plain: float | None = column(
        "the same without steering", "normalised activation"
    )
    own_moved: float | None = column(
        "own_activation less own_activation_plain, in standard deviations over validation tracks"
    )
    others_moved: float = column(
        "mean absolute change of the other kept features, in the same unit"
    )
    concepts_moved: float | None = column("mean absolute change of the other concepts", "log-odds")
    loudness_lufs: float | None = column("integrated loudness; null for silence", "LUFS")
    silent_share: float = column("windows of 50 ms under −60 dB, of all")
    clipped_share: float = column("samples at full scale, of all")
    repetition: float = column("stretches of 8 frames that occurred before, of all")


@dataclass(frozen=True)
class MovedRecord:
    """`steering/NAME.moved.parquet`: the other kept features that moved most at α = 1, ten per
    feature and intervention; see `pipeline/steering/moved.py`."""

    feature: str = column("NAME/INDEX, or pair/NAME: what was steered")
    intervention: str = column("as in NAME.effects.parquet, without random-pool")
    rank: int = column("1 moved most, up or down")
    other: str = column("NAME/INDEX of the feature that moved")
    moved: float = column(
        "change of its mean activation when the audio is read again, mean over seeds, in standard "
        "deviations over validation tracks"
    )
    seeds: int = column("seeds behind it")
    random_moved: float = column(
        "size of the same change along a random direction, mean over directions"
    )


@dataclass(frozen=True, kw_only=True)
class SlopeRecord:
    """`steering/NAME.slopes.parquet`: the dose slope of one feature under one intervention, beside
    those of the random directions towards the same feature; see `pipeline/steering/slopes.py`."""

    feature: str = column("NAME/INDEX, or pair/NAME")
    intervention: str = column("as in NAME.effects.parquet, without random-pool")
    measure: str = column("similarity, label_similarity or concept_score")
    slope: float = column("rise of the measure per unit of α, mean over seeds")
    low: float | None = column("lower end of its 95 % interval over seeds; null for one seed")
    high: float | None = column("upper end")
    seeds: int = column("seeds behind it")
    random_slope: float = column("mean slope of the random directions, at this feature's β")
    random_deviation: float = column("standard deviation over the random directions")
    random_below: int = column("random directions with a smaller slope")
    random_directions: int = column("of how many")
    p: float = column("one-sided: a random direction has a slope as large")
    q: float = column("the same after Benjamini and Hochberg, over features")


@dataclass(frozen=True, kw_only=True)
class MeanSlopeRecord:
    """`steering/slopes.parquet`: the mean dose slope of an intervention over the features of one
    SAE, with intervals clustered by feature and by seed."""

    sae: str = column("name of the SAE")
    hookpoint: str = column("where the stream is changed")
    intervention: str = column("as in NAME.effects.parquet, without random-pool")
    measure: str = column("similarity, label_similarity or concept_score")
    features: int = column("features behind it")
    seeds: int = column("seeds behind it")
    random_directions: int = column("random directions behind the comparison")
    slope: float = column("mean rise of the measure per unit of α")
    low: float | None = column("lower end of its 95 % interval; null for one feature or seed")
    high: float | None = column("upper end")
    above_random: float = column("slope less the mean slope of the random directions")
    above_low: float | None = column("lower end of its 95 % interval")
    above_high: float | None = column("upper end")
    p: float | None = column("two-sided, of above_random")
    beating: int = column("features whose q against the random directions is at most 0.05")
    own_raised: float | None = column(
        "share of features whose own activation is higher at α = 1 when the audio is read again"
    )
    own_moved: float | None = column("mean own_moved at α = 1")
    others_moved: float = column("mean others_moved at α = 1")
    frechet: float | None = column("Fréchet distance of the clips at α = 1 to the exemplars, CLAP")
    frechet_random: float | None = column(
        "the same of as many clips along each feature's random direction"
    )
    loudness_lufs: float | None = column("mean at α = 1", "LUFS")
    silent_share: float = column("mean at α = 1")
    clipped_share: float = column("mean at α = 1")
    repetition: float = column("mean at α = 1")


@dataclass(frozen=True, kw_only=True)
class ImprovedRecord:
    """`steering/table2.parquet`: Table 2 of the paper for one SAE and intervention, at α = 1,
    beside random directions. A feature is improved if the mean over seeds of its clips' similarity
    to the exemplars is larger than without steering."""

    sae: str = column("name of the SAE")
    hookpoint: str = column("where the stream is changed")
    intervention: str = column("as in NAME.effects.parquet, without random-pool")
    kept: int = column("features that the SAE kept")
    tried: int = column("features that were steered, drawn from these")
    seeds: int = column("seeds per feature")
    improved: int = column("features improved")
    low: float = column("lower end of the share's 95 % interval (Wilson)")
    high: float = column("upper end")
    random_tried: int = column("the same features, each steered along a random direction of its β")
    random_improved: int = column("improved by these")
    random_low: float | None = column("lower end of the share's 95 % interval (Wilson)")
    random_high: float | None = column("upper end")
    p: float | None = column("exact McNemar test of the two counts, two-sided")
    pool_share: float = column("mean share of the random-pool's directions that improve a feature")
    improved_one_seed: int = column("features improved by the first seed only, as in the paper")


@dataclass(frozen=True, kw_only=True)
class AblationRecord:
    """`steering/ablation.parquet`: how far a measure falls when a feature is taken out of music
    that its label asked for, beside random ablations of the same size; see
    `pipeline/steering/causal.py`. All at α = 1, means over features and seeds."""

    sae: str = column("name of the SAE")
    measure: str = column("similarity, label_similarity or concept_score")
    features: int = column("features behind it")
    seeds: int = column("seeds behind it")
    fall: float = column("the measure without the ablation less that with it")
    low: float | None = column("lower end of its 95 % interval; null for one feature or seed")
    high: float | None = column("upper end")
    random_fall: float = column("the same for random ablations")
    more: float = column("fall less random_fall")
    more_low: float | None = column("lower end of its 95 % interval")
    more_high: float | None = column("upper end")
    p: float | None = column("two-sided, of more")
    own_moved: float | None = column(
        "change of the feature's own activation, read again, in deviations over validation tracks"
    )
    random_own_moved: float | None = column("the same for random ablations")
    loudness_lufs: float | None = column("mean of the ablated clips", "LUFS")
    random_loudness_lufs: float | None = column("mean of the randomly ablated clips", "LUFS")
    silent_share: float = column("mean of the ablated clips")
    random_silent_share: float = column("mean of the randomly ablated clips")


@dataclass(frozen=True)
class OutputScoreRecord:
    """`steering/NAME.output-scores.parquet`: how far a kept feature moves the model's heads in one
    forward pass; see `pipeline/steering/output_score.py`."""

    feature: str = column("NAME/INDEX")
    rank: int = column("1 is the largest score")
    beta: float = column("β of the feature: the length of the added vector", "raw activation")
    score: float = column("divergence of the next code's distribution, mean over heads", "nats")
    random_score: float = column("mean of random directions of the median β", "nats")


@dataclass(frozen=True)
class LayerScoreRecord:
    """`steering/NAME.layers.parquet`: how far a feature's vector moves the model's heads if it is
    added after one of the blocks; see `pipeline/steering/layers.py`."""

    feature: str = column("NAME/INDEX")
    hookpoint: str = column("where the vector was added")
    score: float = column("divergence of the next code's distribution, mean over heads", "nats")
    heads: tuple[float, ...] = column("the same of each codebook's head", "nats")
    random_score: float = column("mean of random directions of the median β there", "nats")
    chosen: bool = column("the evaluation steers here: the largest mean score over features")


@dataclass(frozen=True)
class SelectionRecord:
    """`steering/selection.parquet`: does the output score predict what steering does?"""

    sae: str = column("name of the SAE")
    measure: str = column("similarity, label_similarity or concept_score")
    features: int = column("evaluated features behind it")
    rho: float = column("Spearman's rank correlation of the score with the slope of `add`")
    low: float = column("lower end of its 95 % interval (Bonett and Wright)")
    high: float = column("upper end")


@dataclass(frozen=True, kw_only=True)
class HorizonEffectRecord:
    """`steering/NAME.horizons.parquet`: what one window of a clip shows of one feature, beside the
    same window of the clip without steering; the intervention ends within the clip. Written by
    `python -m pipeline steer DIR --evaluate --horizons`. Every window is cut out and heard by
    itself."""

    feature: str = column("NAME/INDEX, or pair/NAME for a pair of prompts")
    intervention: str = column("as in NAME.effects.parquet")
    draw: int = column("number of the random-pool's direction; 0 for other interventions")
    hookpoint: str = column("where the stream is changed")
    alpha: float = column("α: the dose")
    beta: float = column("β that α is a multiple of", "raw activation")
    prompt: str = column("the text that is generated from")
    seed: int = column("of the drawing, the same with and without")
    stop: float = column("when the intervention ends, from the clip's start", "s")
    forgotten: bool = column("the decoder's memory of the steered steps was made again there")
    start: float = column("start of the window after the stop; negative before it", "s")
    end: float = column("its end", "s")
    changed_share: float = column("tokens of the window that differ, of all")
    similarity: float | None = column("as in NAME.effects.parquet, of the window")
    similarity_plain: float | None = column("the same without steering")
    label: str = column("the text of the next two columns; empty if there is none")
    label_similarity: float | None = column("CLAP cosine to the label")
    label_similarity_plain: float | None = column("the same without steering")
    own_activation: float | None = column(
        "the feature's mean activation when the window is read again",
        "standard deviations over validation tracks",
    )
    own_activation_plain: float | None = column(
        "the same without steering", "standard deviations over validation tracks"
    )
    recurrence: float | None = column(
        "how much of what is before the end of the intervention returns after it in the clip; null "
        "where either is silent",
        "standard deviations of chance fits, of two maps together",
    )
    recurrence_plain: float | None = column(
        "the same without steering", "standard deviations of chance fits, of two maps together"
    )


@dataclass(frozen=True, kw_only=True)
class HorizonRecord:
    """`steering/horizons.parquet`: the effect of an intervention in one window after its end, for
    one SAE and measure; see `pipeline/steering/horizons/continuity.py`. Moves are per unit of α."""

    sae: str = column("name of the SAE")
    hookpoint: str = column("where the stream is changed")
    intervention: str = column("as in NAME.horizons.parquet, without random-pool")
    measure: str = column(
        "similarity, label_similarity or own_activation; or recurrence, which has one row, for all "
        "that is after the end of the intervention"
    )
    stop: float = column("when the intervention ends, from the clip's start", "s")
    forgotten: bool = column("the decoder's memory of the steered steps was made again there")
    start: float = column(
        "start of the window after the stop; negative for the last one before", "s"
    )
    end: float = column("its end", "s")
    features: int = column("features behind it")
    seeds: int = column("seeds behind it")
    random_directions: int = column("random directions behind the comparison")
    effect: float = column("the measure less that of the same window without steering, mean")
    low: float | None = column("lower end of its 95 % interval; null for one feature or seed")
    high: float | None = column("upper end")
    above_random: float = column("effect less that of the random directions")
    above_low: float | None = column("lower end of its 95 % interval")
    above_high: float | None = column("upper end")
    persistence: float | None = column(
        "b: move of this window per move of the last one before the stop, among random directions"
    )
    persistence_low: float | None = column("lower end of its 95 % interval")
    persistence_high: float | None = column("upper end")
    strength: float | None = column("F of the instrument that b is estimated with")
    inside: float | None = column(
        "share of features and seeds whose last window moved no further than random directions'"
    )
    adjusted: float | None = column(
        "effect beyond what b says of the last window's move; null before the stop and where the "
        "instrument is weak (F < 10)"
    )
    adjusted_low: float | None = column("lower end of its 95 % interval")
    adjusted_high: float | None = column("upper end")
    p: float | None = column("two-sided, of adjusted")
    q: float | None = column("the same after Benjamini and Hochberg, over windows and measures")


def schema_of(cls: type) -> pa.Schema:
    """The Parquet schema of a record class, with meaning and unit in each field's metadata."""
    import pyarrow as pa

    hints = get_type_hints(cls)
    return pa.schema(
        [
            pa.field(f.name, _arrow_type(hints[f.name]), metadata=dict(f.metadata))
            for f in fields(cls)
        ]
    )


def table_of(cls: type[Record], records: Iterable[Record]) -> pa.Table:
    """The records as a Parquet table."""
    import pyarrow as pa

    rows = list(records)
    names = [f.name for f in fields(cast(Any, cls))]
    columns = {name: [_plain(getattr(row, name)) for row in rows] for name in names}
    return pa.table(columns, schema=schema_of(cls))


def records_from(cls: type[Record], table: pa.Table) -> list[Record]:
    """The rows of a table as records; columns that the class does not have are ignored.

    A column with a default may be missing, since tables of earlier versions have fewer columns.
    """
    names = [
        f.name
        for f in fields(cast(Any, cls))
        if f.default is MISSING or f.name in table.column_names
    ]
    records: list[Record] = []
    # In parts: as Python's lists and dicts a whole table takes several times its records' memory.
    for part in table.select(names).to_batches(max_chunksize=ROWS_AT_ONCE):
        known: dict[str, str] = {}
        for row in part.to_pylist():
            values = {name: _frozen(value, known) for name, value in row.items()}
            records.append(cls(**values))
    return records


def _arrow_type(hint: Any) -> pa.DataType:
    import pyarrow as pa

    if get_origin(hint) in (Union, UnionType):
        (hint,) = [option for option in get_args(hint) if option is not type(None)]
    if get_origin(hint) is tuple:
        return pa.list_(_arrow_type(get_args(hint)[0]))
    plain = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    return plain[hint]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _frozen(value: Any, known: dict[str, str]) -> Any:
    """A value of a record; texts that are `known` are stored once."""
    if isinstance(value, list):
        return tuple(_frozen(one, known) for one in value)
    return known.setdefault(value, value) if isinstance(value, str) else value
