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

from pipeline.context import Floats, SaeContext
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


def firing_tracks(context: SaeContext) -> npt.NDArray[np.bool_]:
    """Whether each kept feature fires in each usable track [track, feature]."""
    return firing.fires(context.maxima, tau_of(context))


def tau_of(context: SaeContext) -> Floats:
    """τ_j of each kept feature [feature], normalised."""
    largest = np.asarray([record.max_activation for record in context.features])
    return np.asarray(firing.thresholds(context.config.features, largest), dtype=np.float64)


def graded_tracks(context: SaeContext) -> list[GradedTracks]:
    """The draw of each kept feature, in the context's order; made once per stage."""
    key = ("held-out", context.sae)
    if key not in context.tables.memo:
        fires = firing_tracks(context)
        test = np.flatnonzero(context.in_split("test"))
        context.tables.memo[key] = [
            _draw(context, place, fires, test) for place in range(len(context.features))
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


def _draw(
    context: SaeContext, place: int, fires: npt.NDArray[np.bool_], test: Places
) -> GradedTracks:
    """The draw of the kept feature at `place`; `fires` [track, feature], `test` rows of tracks."""
    scores, feature = context.config.scores, context.features[place].feature
    rng = generator(context, feature, "held-out")
    # 1) Positives, across quantiles of the largest activation.
    firing_there = test[fires[test, place]]
    values = context.maxima[firing_there, place].astype(np.float64)
    positive = firing_there[across_quantiles(values, scores.per_class, rng)]
    # 2) Hard negatives: where the nearest features fire most strongly, strongest first.
    silent = test[~fires[test, place]]
    strength = _neighbours_strength(context, feature, fires)[silent]
    wanted = min(round(scores.hard_share * scores.per_class), int((strength > 0).sum()))
    hard = silent[np.argsort(-strength, kind="stable")[:wanted]]
    # 3) Easy negatives: any of the rest, to make up `per_class`.
    rest = np.setdiff1d(silent, hard)
    easy = rng.permutation(rest)[: scores.per_class - len(hard)]
    return GradedTracks(positive, np.sort(easy), hard)


def _neighbours_strength(context: SaeContext, feature: str, fires: npt.NDArray[np.bool_]) -> Floats:
    """max_j f_j(x) / τ_j over the neighbours j that fire in track x, [track]; 0 where none does.

    Divided by each neighbour's own τ, since latents differ in scale.
    """
    column = {record.feature: place for place, record in enumerate(context.features)}
    near = [column[name] for name in context.neighbours.get(feature, ()) if name in column]
    if not near:
        return np.zeros(len(context.tracks))
    tau = np.maximum(tau_of(context)[near], 1e-9)
    strength = np.where(fires[:, near], context.maxima[:, near] / tau, 0.0)
    return np.asarray(strength.max(axis=1), dtype=np.float64)


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
