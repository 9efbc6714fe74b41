"""The tables of steering and of its evaluations: columns, meanings and units, as in
`pipeline.store.tables`."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.store.records import column


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
