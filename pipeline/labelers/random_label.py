"""`random-label`: the labels of another feature, a control that every method must beat.

The seed arranges the features in a ring, and each gets the labels of the next one, so that every
feature's labels are used exactly once and never for itself. If a donor's best label is also a label
of the receiving feature, as happens among near-duplicates, two features swap donors where that
helps: a control must not be right by accident. The donor's ranks count as the method's own.
`random-label@METHOD` uses the labels of METHOD, plain `random-label` those of
`[labels] random_label_of`, else those of the run's first non-control method.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from pipeline.config import RunConfig
from pipeline.context import Floats, SaeContext
from pipeline.errors import PipelineError
from pipeline.labelers import is_derived, labeler
from pipeline.labelers.base import Labeler, failed
from pipeline.store.tables import FeatureRecord, LabelCandidate


class RandomLabel(Labeler):
    """Labels each feature with another feature's labels."""

    takes_variant: ClassVar[bool] = True

    def sources(self, config: RunConfig) -> tuple[str, ...]:
        """The method whose labels are shuffled."""
        named = self.variant or config.labels.random_label_of
        own = [method for method in config.labels.methods if not is_derived(method)]
        if not named and not own:
            raise PipelineError("random-label needs another method in [labels] methods")
        return (named or own[0],)

    def label(
        self, context: SaeContext, features: Sequence[FeatureRecord]
    ) -> Iterator[LabelCandidate]:
        """The donor's labels for each feature."""
        (source,) = self.sources(context.config)
        given: dict[str, list[LabelCandidate]] = {}
        for row in context.labels(source):
            if row.status == "ok":
                given.setdefault(row.feature, []).append(row)
        said = {name: [row.name or row.text for row in rows] for name, rows in given.items()}
        donor = donors(said, context.config.labels.seed)
        for feature in features:
            name = feature.feature
            if not context.exemplars.get(name):
                yield failed(name, "the feature has no exemplars")
            elif name not in donor:
                yield failed(name, f"{source} has no labels for it, or for no other feature")
            else:
                yield from (_given_to(row, name, source) for row in given[donor[name]])

    def reading(self, context: SaeContext, texts: Sequence[str]) -> Floats | None:
        """The reading of the method whose labels are shuffled."""
        (source,) = self.sources(context.config)
        return labeler(source).reading(context, texts)


def donors(said: Mapping[str, Sequence[str]], seed: int) -> dict[str, str]:
    """Each feature's donor, a different one; each gives once. Empty for fewer than two features.

    `said`: the names of each feature's own labels, best first. Where swapping two donors can
    achieve it, a donor's best label is none of the feature's own.
    """
    names = sorted(said)
    if len(names) < 2:
        return {}
    ring = [names[place] for place in np.random.default_rng(seed).permutation(len(names))]
    donor = dict(zip(ring, [*ring[1:], ring[0]], strict=True))

    def apart(one: str, giver: str) -> bool:
        return one != giver and said[giver][0] not in said[one]

    for one in ring:
        if not apart(one, donor[one]):
            fits = (b for b in ring if apart(one, donor[b]) and apart(b, donor[one]))
            other = next(fits, one)
            donor[one], donor[other] = donor[other], donor[one]
    return donor


def _given_to(row: LabelCandidate, feature: str, source: str) -> LabelCandidate:
    return replace(
        row,
        feature=feature,
        description=f"a label of another feature; {row.description}",
        provenance=f"{source} for {row.feature}",
    )
