"""`descriptors`: phrases for the signal descriptors in which a feature's exemplars stand out.

*Reading.* A descriptor's value in a track becomes a normal score against the reference, the
usable tracks of train and validation: r = Φ⁻¹((rank + 1/2) / (N + 1)), where rank is the number of
reference tracks with a smaller value plus half of those with an equal one (van der Waerden scores,
which do not depend on the unit or the skew). A phrase for the high end scores r, one for the low
end −r. A track without the descriptor scores 0.

*Effect.* Of n exemplars with scores r_i, mean m and variance s²:

    m̃ = m n / (n + a),  s̃² = (b + Σ (r_i − m)²) / (b + n − 1),  d = m̃ / sqrt(1 + s̃²)

with a = `PRIOR_MEAN`, b = `PRIOR_VARIANCE`. Both are shrunk towards the corpus (mean 0, variance
1), so that a few exemplars have little effect. Φ(d) is then the probability that an exemplar has a
higher value than a track of the corpus (the common-language effect size: McGraw and Wong,
Psychological Bulletin 1992). Phrases are ranked by |d|. Confidence is 2Φ(|d|) − 1, which is 0 if
the exemplars are like any other track.

*Choice.* At most one phrase per family of near-synonyms, and no descriptor whose rank correlation
with one already chosen is at least `MAX_CORRELATION` in absolute value over the reference. If this
leaves fewer than `FEWEST`, the rejected phrases are appended to the list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
"""The measured descriptors of all usable tracks, made once per run."""
PRIOR_MEAN = 5.0
"""Weight of the corpus's mean, in exemplars. Half of the usual ten, since the best of about thirty
descriptors looks better than it is. It does not change the order of phrases, but keeps confidence
close to 2 AUROC − 1 on unseen tracks."""
PRIOR_VARIANCE = 4.0
"""Weight of the corpus's variance, in exemplars."""
MAX_CORRELATION = 0.8
FEWEST = 5
"""Minimum number of distinct candidates per feature, since a trial has five options."""


@dataclass(frozen=True)
class Scores:
    """The descriptors of all tracks, raw and as normal scores."""

    names: tuple[str, ...]
    """Descriptors that vary in the reference, in the vocabulary's order."""
    values: Floats
    """[descriptor, track], each in its own unit; NaN where a track has no value."""
    normal: Floats
    """[descriptor, track]: normal scores against the reference, 0 where a track has no value."""
    medians: Floats
    """[descriptor]: medians over the reference."""
    correlation: Floats
    """[descriptor, descriptor]: correlations of the normal scores over the reference."""


class Descriptors(Labeler):
    """Labels features by the signal descriptors of their exemplars."""

    def shared(self) -> Mapping[str, Callable[[SaeContext], object]]:
        """The descriptors of all usable tracks."""
        return {"descriptors": measured}

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
        """Signed normal scores [text, track]: how far each track lies towards the phrase's end."""
        unknown = [text for text in texts if text not in PHRASES]
        if unknown:
            raise PipelineError(f"{unknown[0]!r} is not a phrase of the descriptors' vocabulary")
        scores = read_scores(context)
        place = {name: row for row, name in enumerate(scores.names)}
        result = np.zeros((len(texts), len(context.tracks)))
        for row, text in enumerate(texts):
            name, sign = PHRASES[text]
            if name in place:
                result[row] = sign * scores.normal[place[name]]
        return result


def measured(context: SaeContext) -> pa.Table:
    """The descriptors of every usable track, computed once per run."""
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
    """The descriptors of all tracks of the run, with normal scores."""
    table = measured(context)
    rows = {track: row for row, track in enumerate(table.column("track").to_pylist())}
    order = [rows[record.track] for record in context.tracks]
    named = tuple(words.descriptor for words in VOCABULARY)
    values = np.stack([table.column(name).to_numpy()[order] for name in named])
    return standardised(named, values, context.in_split("train", "validation"))


def standardised(names: Sequence[str], values: Floats, reference: npt.NDArray[np.bool_]) -> Scores:
    """Scores from `values` [descriptor, track]; `reference` [track] marks the reference tracks."""
    varying = [row for row in range(len(names)) if _varies(values[row, reference])]
    values = values[varying]
    normal = np.zeros_like(values)
    for row in range(len(values)):
        normal[row] = normal_scores(values[row], values[row, reference])
    medians = np.asarray([np.nanmedian(row[reference]) for row in values])
    correlation = np.atleast_2d(np.corrcoef(normal[:, reference])) if varying else np.eye(0)
    return Scores(tuple(names[row] for row in varying), values, normal, medians, correlation)


def normal_scores(values: Floats, reference: Floats) -> Floats:
    """Φ⁻¹ of the mid-rank of each value [track] among the reference values; 0 for NaN."""
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
    """Rows of the descriptors chosen to label a feature, strongest first; see the module's top."""
    # Rounded, so that a difference in the last bit between machines cannot swap two equal phrases.
    order = np.lexsort((np.arange(len(effects)), -np.round(np.abs(effects), 9)))
    with_phrase = [int(row) for row in order if _phrase(scores.names[row], effects[row])]
    chosen: list[int] = []
    for row in with_phrase:
        if len(chosen) < count and not any(_same(row, other, scores) for other in chosen):
            chosen.append(row)
    spare = [row for row in with_phrase if row not in chosen]
    return chosen + spare[: max(0, min(FEWEST, count) - len(chosen))]


def _same(row: int, other: int, scores: Scores) -> bool:
    """Whether two descriptors are near-synonyms: of one family, or highly correlated."""
    families = {WORDS[scores.names[place]].family for place in (row, other)}
    return len(families) == 1 or abs(float(scores.correlation[row, other])) >= MAX_CORRELATION


def _phrase(name: str, effect: float) -> str:
    return WORDS[name].high if effect > 0 else WORDS[name].low


def _varies(reference: Floats) -> bool:
    """Whether at least half of the reference has a value, and no value is shared by nine tenths."""
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
    """The medians over the exemplars and over the corpus, and what the number measures."""
    own = scores.values[row, places]
    middle = float(np.nanmedian(own)) if np.isfinite(own).any() else float("nan")
    return (
        f"{words.descriptor} {middle:.3g} (median of exemplars), "
        f"{float(scores.medians[row]):.3g} (of the corpus): {words.measures}"
    )
