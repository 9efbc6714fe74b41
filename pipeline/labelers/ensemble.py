"""`ensemble`: several methods' candidates as one list, by rank aggregation.

Each candidate of rank r of method m counts w(m, r); near-synonyms of several methods are one
candidate and their counts add up; the sums order the list. Without listeners w = 1/(κ + r)
(reciprocal rank fusion: Cormack, Clarke and Büttcher, SIGIR 2009). With an earlier study's
answers, about the run that `[ensemble] run` names, w(m, r) is how often listeners chose rank r of
method m and were at least fairly confident, (hits + `PRIOR` p) / (trials + `PRIOR`), with p the
share over all methods at that rank: then a method that listeners do not believe moves down. Ties:
better rank, then the methods' order.

Confidence is the sum over the best sum possible, all methods agreeing at rank 1.
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
"""Trials that the share over all methods counts for."""
CONFIDENT = 4
"""At least "Fairly confident"."""

Weights = Mapping[tuple[str, int], float]


@dataclass
class _Sum:
    """One name's standing."""

    text: str
    total: float
    best: tuple[int, int]
    """Best rank, and place of the method that gave it."""
    given: list[str]
    description: str


class Ensemble(Labeler):
    """Names features by what several methods agree on."""

    def outside(self, config: RunConfig) -> Mapping[str, str]:
        """The listeners' answers, if there are any."""
        path = config.ensemble.responses
        if path is not None and not path.is_file():
            raise PipelineError(f"[ensemble] responses {path} does not exist")
        if path is not None:
            answers_of(path, config.ensemble.run, section="ensemble")
        return {"ensemble": sha256_of(path) if path else "uncalibrated"}

    def sources(self, config: RunConfig) -> tuple[str, ...]:
        """What is combined."""
        named = config.ensemble.methods or tuple(
            method for method in config.labels.methods if not is_derived(method)
        )
        if not named:
            raise PipelineError("ensemble needs other methods in [labels] methods")
        return named

    def label(
        self, context: SaeContext, features: Sequence[FeatureRecord]
    ) -> Iterator[LabelCandidate]:
        """The methods' candidates by their sums."""
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
        """That of the first method that gave the text; None if a method that gave one of them
        reads nothing."""
        methods = self.sources(context.config)
        gave: dict[str, str] = {}
        for method in reversed(methods):
            gave.update({row.text: method for row in context.labels(method) if row.text})
        result = np.zeros((len(texts), len(context.tracks)))
        for method in methods:
            rows = [row for row, text in enumerate(texts) if gave.get(text, methods[0]) == method]
            if not rows:
                continue
            heard = labeler(method).reading(context, [texts[row] for row in rows])
            if heard is None:
                return None
            result[rows] = heard
        return result


def combined(
    given: Sequence[tuple[str, LabelCandidate]], methods: Sequence[str], weights: Weights
) -> list[_Sum]:
    """The names of one feature, best first. A name is a text or its near-synonyms."""
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
    """w of each method and rank."""
    ranks = range(1, config.labels.candidates + 1)
    given = config.ensemble
    heard = answers_of(given.responses, given.run, section="ensemble") if given.responses else []
    if not any(answer.method in methods for answer in heard):
        damping = config.ensemble.damping
        return {(method, rank): 1.0 / (damping + rank) for method in methods for rank in ranks}
    return {(method, rank): _believed(heard, method, rank) for method in methods for rank in ranks}


def _believed(heard: Sequence[StudyAnswer], method: str, rank: int) -> float:
    """How often listeners chose that rank of the method with confidence, shrunk to all methods."""
    own = [answer for answer in heard if answer.method == method]
    hit = [a.chosen_rank == rank and a.confidence >= CONFIDENT for a in own]
    everywhere = [a.chosen_rank == rank and a.confidence >= CONFIDENT for a in heard]
    # A rank that was never shown keeps a little, so that it still orders behind the others.
    share = (sum(everywhere) + 0.5 / rank) / (len(everywhere) + 1.0)
    return (sum(hit) + PRIOR * share) / (len(hit) + PRIOR)
