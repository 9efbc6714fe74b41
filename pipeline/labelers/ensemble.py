"""`ensemble`: the candidates of several methods merged into one list by rank aggregation.

A candidate of rank r from method m has the weight w(m, r). Near-synonyms from several methods are
merged and their weights added; the sums order the list. Without listeners' answers, w = 1 / (κ + r)
(reciprocal rank fusion: Cormack, Clarke and Büttcher, SIGIR 2009). With the answers of an earlier
study about the run that `[ensemble] run` names, w(m, r) is how often listeners chose rank r of
method m and were at least fairly confident: (hits + `PRIOR` p) / (trials + `PRIOR`), with p the
share over all methods at that rank. This lowers the rank of methods that listeners do not trust.
Ties are broken by the better rank, then by the order of the methods.

Confidence is the sum divided by the largest possible sum (all methods agree at rank 1).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.config import RunConfig
from pipeline.context import Floats, SaeContext
from pipeline.errors import PipelineError
from pipeline.files.hashing import sha256_of
from pipeline.labelers import is_derived, labeler
from pipeline.labelers.base import Labeler, failed
from pipeline.labelers.study_responses import StudyAnswer, answers_of
from pipeline.store.tables import FeatureRecord, LabelCandidate

PRIOR = 10.0
"""Weight of the share over all methods, in trials."""
CONFIDENT = 4
"""Smallest confidence that counts: "Fairly confident"."""

Weights = Mapping[tuple[str, int], float]


@dataclass
class _Sum:
    """The sum of weights of one name, and the best candidate for it."""

    text: str
    total: float
    best: tuple[int, int]
    """Best rank, and position of the method that gave it."""
    given: list[str]
    description: str


class Ensemble(Labeler):
    """Labels features with the candidates on which several methods agree."""

    def ready(self, config: RunConfig) -> None:
        """Raise `PipelineError` if the listeners' answers are named and missing."""
        path = config.ensemble.responses
        if path is not None and not path.is_file():
            raise PipelineError(f"[ensemble] responses {path} does not exist")

    def outside(self, config: RunConfig) -> Mapping[str, str]:
        """Fingerprint of the listeners' answers, if there are any."""
        self.ready(config)
        path = config.ensemble.responses
        if path is not None:
            answers_of(path, config.ensemble.run, section="ensemble")
        return {"ensemble": sha256_of(path) if path else "uncalibrated"}

    def sources(self, config: RunConfig) -> tuple[str, ...]:
        """The methods to merge."""
        named = config.ensemble.methods or tuple(
            method for method in config.labels.methods if not is_derived(method)
        )
        if not named:
            raise PipelineError("ensemble needs other methods in [labels] methods")
        return named

    def label(
        self, context: SaeContext, features: Sequence[FeatureRecord]
    ) -> Iterator[LabelCandidate]:
        """The merged candidates of each feature, ordered by their sums."""
        methods = self.sources(context.config)
        weights = weights_of(context.config, methods)
        given: dict[str, list[tuple[str, LabelCandidate]]] = defaultdict(list)
        for method in methods:
            for row in context.labels(method):
                if row.status == "ok":
                    given[row.feature].append((method, row))
        for feature in features:
            if not given[feature.feature]:
                reason = "no method named the feature"
                if not context.exemplars.get(feature.feature):
                    reason = "the feature has no exemplars"
                yield failed(feature.feature, reason)
                continue
            ranked = combined(given[feature.feature], methods, weights)
            best = sum(weights[method, 1] for method in methods)
            for rank, one in enumerate(ranked[: context.config.labels.candidates], start=1):
                yield LabelCandidate(
                    feature=feature.feature,
                    rank=rank,
                    text=one.text,
                    confidence=min(1.0, one.total / best),
                    description=one.description,
                    provenance=", ".join(one.given),
                )

    def reading(self, context: SaeContext, texts: Sequence[str]) -> Floats | None:
        """Each text's reading by the first method that gave it; None if one of these methods
        cannot score tracks."""
        methods = self.sources(context.config)
        gave: dict[str, str] = {}
        for method in reversed(methods):
            gave.update({row.text: method for row in context.labels(method) if row.text})
        result = np.zeros((len(texts), len(context.tracks)))
        for method in methods:
            rows = [row for row, text in enumerate(texts) if gave.get(text, methods[0]) == method]
            if not rows:
                continue
            reading = labeler(method).reading(context, [texts[row] for row in rows])
            if reading is None:
                return None
            result[rows] = reading
        return result


def combined(
    given: Sequence[tuple[str, LabelCandidate]], methods: Sequence[str], weights: Weights
) -> list[_Sum]:
    """The merged names of one feature, best first; near-synonyms share a name."""
    sums: dict[str, _Sum] = {}
    for method, row in given:
        name = row.name or row.text
        weight = weights[method, row.rank]
        best = (row.rank, methods.index(method))
        if name not in sums:
            sums[name] = _Sum(row.text, 0.0, best, [], row.description)
        one = sums[name]
        one.total += weight
        one.given.append(f"{method} rank {row.rank}")
        if best < one.best:
            one.text, one.best, one.description = row.text, best, row.description
    return sorted(sums.values(), key=lambda one: (-round(one.total, 12), one.best))


def weights_of(config: RunConfig, methods: Sequence[str]) -> Weights:
    """The weight w of each method and rank."""
    ranks = range(1, config.labels.candidates + 1)
    given = config.ensemble
    answers = answers_of(given.responses, given.run, section="ensemble") if given.responses else []
    if not any(answer.method in methods for answer in answers):
        damping = config.ensemble.damping
        return {(method, rank): 1.0 / (damping + rank) for method in methods for rank in ranks}
    return {
        (method, rank): _confident_share(answers, method, rank)
        for method in methods
        for rank in ranks
    }


def _confident_share(answers: Sequence[StudyAnswer], method: str, rank: int) -> float:
    """Share of trials in which listeners chose this rank of the method with confidence, shrunk
    towards the share over all methods."""
    own = [answer for answer in answers if answer.method == method]
    hit = [a.chosen_rank == rank and a.confidence >= CONFIDENT for a in own]
    everywhere = [a.chosen_rank == rank and a.confidence >= CONFIDENT for a in answers]
    # Keep a small weight for a rank that was never chosen, so that ranks still order candidates.
    share = (sum(everywhere) + 0.5 / rank) / (len(everywhere) + 1.0)
    return (sum(hit) + PRIOR * share) / (len(hit) + PRIOR)
