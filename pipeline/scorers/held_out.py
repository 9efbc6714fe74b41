"""The test tracks that a feature's labels are graded on, the same for every method.

Positives: test tracks where the feature fires, one from each quantile of their largest activation,
so that weak firing is represented as well as strong (top activations only flatter a label: Bricken
et al., 2023). Negatives: test tracks where it does not fire; a share of them *hard*, those where
the features nearest by decoder direction fire most strongly, since a label must separate its
feature from similar ones too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import numpy.typing as npt

from pipeline.context import Active, Floats, SaeContext
from pipeline.features import firing
from pipeline.store.tables import LabelCandidate, ScoreRecord

Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class GradedTracks:
    """A feature's graded tracks, as rows of the context's axis `track`."""

    positive: Places
    easy: Places
    hard: Places

    @property
    def all(self) -> Places:
        """Positives, then easy negatives, then hard negatives."""
        return np.concatenate([self.positive, self.easy, self.hard])

    @property
    def truth(self) -> npt.NDArray[np.bool_]:
        """For each of `all`: whether the feature fires."""
        return np.arange(len(self.all)) < len(self.positive)

    @property
    def without_easy(self) -> npt.NDArray[np.bool_]:
        """For each of `all`: whether it is a positive or a hard negative."""
        place = np.arange(len(self.all))
        return (place < len(self.positive)) | (place >= len(self.positive) + len(self.easy))

    def shortage(self, needed: int) -> str:
        """Why these tracks are too few to grade on; empty if they are enough."""
        negatives = len(self.easy) + len(self.hard)
        if min(len(self.positive), negatives) >= needed:
            return ""
        return (
            f"not estimable: {len(self.positive)} test tracks that fire and {negatives} that do "
            f"not; {needed} of each are needed"
        )


def firing_tracks(context: SaeContext, place: int) -> Active:
    """The tracks in which the kept feature at `place` fires."""
    found = context.active(place)
    fires = firing.fires(found.max, tau_of(context)[place])
    return Active(found.tracks[fires], found.max[fires])


def tau_of(context: SaeContext) -> Floats:
    """τ_j of each kept feature [feature], normalised; made once per stage."""
    key = ("tau", context.sae, context.config.features)
    if key not in context.tables.memo:
        largest = np.asarray([record.max_activation for record in context.features])
        context.tables.memo[key] = firing.thresholds(context.config.features, largest)
    return np.asarray(context.tables.memo[key], dtype=np.float64)


def graded_tracks(context: SaeContext) -> list[GradedTracks]:
    """The draw of each kept feature, in the context's order; made once per stage."""
    key = ("held-out", context.sae)
    if key not in context.tables.memo:
        test = context.in_split("test")
        context.tables.memo[key] = [
            _draw(context, place, test) for place in range(len(context.features))
        ]
    made: list[GradedTracks] = context.tables.memo[key]
    return made


def generator(context: SaeContext, feature: str, purpose: str) -> np.random.Generator:
    """A generator for one feature and one purpose, the same whatever other features there are."""
    seed = context.config.scores.seed
    return np.random.default_rng([seed, crc32(feature.encode()), crc32(purpose.encode())])


def across_quantiles(values: Floats, count: int, rng: np.random.Generator) -> Places:
    """Places of `count` values [value], one drawn at random from each of `count` quantile bins; all
    places if there are no more values than that."""
    order = np.argsort(values, kind="stable")
    if len(order) <= count:
        return order
    return np.asarray([rng.choice(part) for part in np.array_split(order, count)], dtype=np.intp)


def _draw(context: SaeContext, place: int, test: npt.NDArray[np.bool_]) -> GradedTracks:
    """The draw of the kept feature at `place` among the `test` tracks, [track] bool."""
    scores, feature = context.config.scores, context.features[place].feature
    rng = generator(context, feature, "held-out")
    # 1) Positives, across quantiles of the largest activation.
    firing_there = firing_tracks(context, place)
    inside = test[firing_there.tracks]
    values = firing_there.max[inside].astype(np.float64)
    positive = firing_there.tracks[inside][across_quantiles(values, scores.per_class, rng)]
    # 2) Hard negatives: where the nearest features fire most strongly, strongest first.
    silent = np.setdiff1d(np.flatnonzero(test), firing_there.tracks)
    strength = _neighbours_strength(context, feature)[silent]
    wanted = min(round(scores.hard_share * scores.per_class), int((strength > 0).sum()))
    hard = silent[np.argsort(-strength, kind="stable")[:wanted]]
    # 3) Easy negatives: any of the rest, to make up `per_class`.
    rest = np.setdiff1d(silent, hard)
    easy = rng.permutation(rest)[: scores.per_class - len(hard)]
    return GradedTracks(positive, np.sort(easy), hard)


def _neighbours_strength(context: SaeContext, feature: str) -> Floats:
    """max_j f_j(x) / τ_j over the neighbours j that fire in track x, [track]; 0 where none does.

    Divided by each neighbour's own τ, since latents differ in scale.
    """
    strength = np.zeros(len(context.tracks))
    for name in context.neighbours.get(feature, ()):
        if name in context.column_of:
            place = context.column_of[name]
            found = firing_tracks(context, place)
            over = found.max / max(tau_of(context)[place], 1e-9)
            strength[found.tracks] = np.maximum(strength[found.tracks], over)
    return strength


def by_feature(labels: Sequence[LabelCandidate]) -> dict[str, list[LabelCandidate]]:
    """The labels of each feature, in the order in which the features first occur."""
    grouped: dict[str, list[LabelCandidate]] = {}
    for label in labels:
        grouped.setdefault(label.feature, []).append(label)
    return grouped


def not_graded(label: LabelCandidate, method: str, drawn: GradedTracks, reason: str) -> ScoreRecord:
    """The record of a label that cannot be graded."""
    return ScoreRecord(
        feature=label.feature, method=method, rank=label.rank, score=None, low=None, high=None,
        contrast=None, n_positive=len(drawn.positive),
        n_negative=len(drawn.easy) + len(drawn.hard), comparable=True, status="failed",
        reason=reason,
    )  # fmt: skip
