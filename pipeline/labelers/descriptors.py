"""`descriptors`: signal descriptors turned to words by how far the exemplars stand out.

*Reading.* A descriptor's value in a track becomes a normal score against the reference, the
usable tracks of train and validation: r = Φ⁻¹((rank + 1/2) / (N + 1)), rank being the number of
reference tracks with a smaller value plus half of those with an equal one (van der Waerden
scores: robust, whatever the unit or the skew). A phrase reads as r or, for a low end, −r. What a
track does not have reads as 0.

*Effect.* Of n exemplars with scores r_i, mean m and variance s²:

    m̃ = m n / (n + a),  s̃² = (b + Σ (r_i − m)²) / (b + n − 1),  d = m̃ / sqrt(1 + s̃²)

with a = `PRIOR_MEAN`, b = `PRIOR_VARIANCE`: both are shrunk towards the corpus (mean 0, variance
1), so that few exemplars say little. Φ(d) is then the chance that an exemplar lies higher than a
track of the corpus (the common-language effect size: McGraw and Wong, Psychological Bulletin
1992). Phrases are ranked by |d|; confidence is 2Φ(|d|) − 1, 0 where exemplars are like any track.

*Choice.* One phrase a family of near-synonyms, and none of a descriptor whose rank correlation
with a chosen one over the reference is `MAX_CORRELATION` or more in size; only if fewer than
`FEWEST` are left do the passed-over ones come back, behind the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.context import Floats, SaeContext
from pipeline.errors import PipelineError
from pipeline.labelers.base import Labeler, failed
from pipeline.labelers.vocabulary import PHRASES, VOCABULARY, WORDS, Wording
from pipeline.store.tables import FeatureRecord, LabelCandidate

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = "labels/descriptors.parquet"
"""The measured descriptors of all usable tracks, once a run."""
PRIOR_MEAN = 5.0
"""Exemplars that the corpus's mean counts for: half of ten, for the best of thirty looks better
than it is. It orders nothing, but keeps confidence near 2 AUROC − 1 on tracks not seen."""
PRIOR_VARIANCE = 4.0
"""Exemplars that the corpus's variance counts for."""
MAX_CORRELATION = 0.8
FEWEST = 5
"""Distinct candidates that a feature gets at least: a trial has five options."""


@dataclass(frozen=True)
class Scores:
    """The corpus as its descriptors read."""

    names: tuple[str, ...]
    """Descriptors that vary in the reference, in the vocabulary's order."""
    values: Floats
    """[descriptor, track], each in its unit; NaN where a track has none."""
    normal: Floats
    """[descriptor, track]: normal scores against the reference, 0 where a track has none."""
    medians: Floats
    """[descriptor] over the reference."""
    correlation: Floats
    """[descriptor, descriptor] of normal scores over the reference."""


class Descriptors(Labeler):
    """Names features by their exemplars' signal descriptors."""

    def prepare(self, context: SaeContext) -> None:
        """Measure the corpus."""
        measured(context)

    def label(
        self, context: SaeContext, features: Sequence[FeatureRecord]
    ) -> Iterator[LabelCandidate]:
        """The phrases whose descriptors stand out most among each feature's exemplars."""
        scores = read_scores(context)
        for feature in features:
            places = context.exemplar_places(feature.feature)
            if not len(places) or not scores.names:
                reason = "no descriptor varies" if len(places) else "the feature has no exemplars"
                yield failed(feature.feature, reason)
                continue
            yield from _candidates(
                feature.feature, scores, places, context.config.labels.candidates
            )

    def reading(self, context: SaeContext, texts: Sequence[str]) -> Floats:
        """Signed normal scores [text, track]: how far each track lies on the phrase's side."""
        unknown = [text for text in texts if text not in PHRASES]
        if unknown:
            raise PipelineError(f"{unknown[0]!r} is no phrase of the descriptors' vocabulary")
        scores = read_scores(context)
        place = {name: row for row, name in enumerate(scores.names)}
        result = np.zeros((len(texts), len(context.tracks)))
        for row, text in enumerate(texts):
            name, sign = PHRASES[text]
            if name in place:
                result[row] = sign * scores.normal[place[name]]
        return result


def measured(context: SaeContext) -> pa.Table:
    """The descriptors of every usable track, computed once a run."""
    from pipeline.signal.table import Excerpt, measure

    def make() -> pa.Table:
        excerpts = [
            Excerpt(t.track, context.audio_path(t), t.start_seconds, t.seconds)
            for t in context.tracks
        ]
        workers = context.config.machine.workers
        return measure(
            excerpts, stage="labels descriptors", workers=workers, progress=context.progress
        )

    return context.tables.get(TABLE, make)


def read_scores(context: SaeContext) -> Scores:
    """The corpus's descriptors, standardised."""
    table = measured(context)
    rows = {track: row for row, track in enumerate(table.column("track").to_pylist())}
    order = [rows[record.track] for record in context.tracks]
    named = tuple(words.descriptor for words in VOCABULARY)
    values = np.stack([table.column(name).to_numpy()[order] for name in named])
    return standardised(named, values, context.in_split("train", "validation"))


def standardised(names: Sequence[str], values: Floats, reference: npt.NDArray[np.bool_]) -> Scores:
    """Scores from `values` [descriptor, track]; `reference` says which tracks [track] count."""
    varying = [row for row in range(len(names)) if _varies(values[row, reference])]
    values = values[varying]
    normal = np.zeros_like(values)
    for row in range(len(values)):
        normal[row] = normal_scores(values[row], values[row, reference])
    medians = np.asarray([np.nanmedian(row[reference]) for row in values])
    correlation = np.atleast_2d(np.corrcoef(normal[:, reference])) if varying else np.eye(0)
    return Scores(tuple(names[row] for row in varying), values, normal, medians, correlation)


def normal_scores(values: Floats, reference: Floats) -> Floats:
    """Φ⁻¹ of each value's [track] mid-rank among the reference's; 0 for NaN."""
    from scipy.special import ndtri

    known = np.sort(reference[np.isfinite(reference)])
    under = np.searchsorted(known, values, side="left")
    upto = np.searchsorted(known, values, side="right")
    scores = ndtri(((under + upto) / 2 + 0.5) / (len(known) + 1))
    return np.where(np.isfinite(values), scores, 0.0)


def effect_sizes(normal: Floats) -> Floats:
    """d of each descriptor from its exemplars' normal scores [descriptor, exemplar]."""
    n = normal.shape[1]
    mean = normal.sum(axis=1) / (n + PRIOR_MEAN)
    spread = np.square(normal - normal.mean(axis=1, keepdims=True)).sum(axis=1)
    variance = (PRIOR_VARIANCE + spread) / (PRIOR_VARIANCE + n - 1)
    return np.asarray(mean / np.sqrt(1.0 + variance))


def choose(effects: Floats, scores: Scores, count: int) -> list[int]:
    """Rows of the descriptors that name a feature, strongest first; see the module."""
    # Rounded, so that a last bit that differs between machines cannot swap two equal phrases.
    order = np.lexsort((np.arange(len(effects)), -np.round(np.abs(effects), 9)))
    wordy = [int(row) for row in order if _phrase(scores.names[row], effects[row])]
    chosen: list[int] = []
    for row in wordy:
        if len(chosen) < count and not any(_same(row, other, scores) for other in chosen):
            chosen.append(row)
    spare = [row for row in wordy if row not in chosen]
    return chosen + spare[: max(0, min(FEWEST, count) - len(chosen))]


def _same(row: int, other: int, scores: Scores) -> bool:
    """Whether two descriptors say nearly the same."""
    families = {WORDS[scores.names[place]].family for place in (row, other)}
    return len(families) == 1 or abs(float(scores.correlation[row, other])) >= MAX_CORRELATION


def _phrase(name: str, effect: float) -> str:
    return WORDS[name].high if effect > 0 else WORDS[name].low


def _varies(reference: Floats) -> bool:
    """Whether half the reference has the descriptor, and no one value fills nine tenths of it."""
    known = reference[np.isfinite(reference)]
    if len(known) < max(2, 0.5 * len(reference)):
        return False
    return bool(np.unique(known, return_counts=True)[1].max() < 0.9 * len(known))


def _candidates(
    feature: str, scores: Scores, places: npt.NDArray[np.intp], count: int
) -> Iterator[LabelCandidate]:
    """A feature's candidates, best first."""
    from scipy.special import ndtr

    effects = effect_sizes(scores.normal[:, places])
    for rank, row in enumerate(choose(effects, scores, count), start=1):
        name = scores.names[row]
        yield LabelCandidate(
            feature=feature,
            rank=rank,
            text=_phrase(name, effects[row]),
            confidence=float(2.0 * ndtr(abs(effects[row])) - 1.0),
            description=_description(WORDS[name], scores, row, places),
        )


def _description(words: Wording, scores: Scores, row: int, places: npt.NDArray[np.intp]) -> str:
    """The median over exemplars beside the corpus's, and what the number is."""
    own = scores.values[row, places]
    middle = float(np.nanmedian(own)) if np.isfinite(own).any() else float("nan")
    return (
        f"{words.descriptor} {middle:.3g} (median of exemplars), "
        f"{float(scores.medians[row]):.3g} (of the corpus): {words.measures}"
    )
