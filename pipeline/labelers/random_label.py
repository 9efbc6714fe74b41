"""`random-label`: another feature's labels. The control that every method must beat.

Features are drawn to a ring by the seed, and each gets the labels of the next one on it, so that
every feature's labels are given exactly once, never to itself. Where the donor's best label is one
that the feature has itself, as among near-duplicates, two features change donors if that helps:
a control that is right by accident is none. The donor's ranks count as the method's own.
`random-label@METHOD` deals out the labels of METHOD; without it those of
`[labels] random_label_of`, else of the run's first method that is no control.
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
    """Names each feature by another one's labels."""

    takes_variant: ClassVar[bool] = True

    def sources(self, config: RunConfig) -> tuple[str, ...]:
        """The one method whose labels are dealt out."""
        named = self.variant or config.labels.random_label_of
        own = [method for method in config.labels.methods if not is_derived(method)]
        if not named and not own:
            raise PipelineError("random-label needs another method in [labels] methods")
        return (named or own[0],)

    def label(
        self, context: SaeContext, features: Sequence[FeatureRecord]
    ) -> Iterator[LabelCandidate]:
        """The donor's labels under this feature's name."""
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
                yield from (_dealt(row, name, source) for row in given[donor[name]])

    def reading(self, context: SaeContext, texts: Sequence[str]) -> Floats | None:
        """The source's."""
        (source,) = self.sources(context.config)
        return labeler(source).reading(context, texts)


def donors(said: Mapping[str, Sequence[str]], seed: int) -> dict[str, str]:
    """Each feature's donor: another one, each giving once. Empty if there are fewer than two.

    `said`: feature to the names of its own labels, best first. A donor's best is none of the
    feature's own, where two changing donors can bring that about.
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


def _dealt(row: LabelCandidate, feature: str, source: str) -> LabelCandidate:
    return replace(
        row,
        feature=feature,
        description=f"a label of another feature; {row.description}",
        provenance=f"{source} for {row.feature}",
    )
