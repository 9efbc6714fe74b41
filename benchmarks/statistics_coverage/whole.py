"""Everything that `analyse` computes for a table: mixed models, bootstraps, scores, free text.

Slow, therefore measured on a balanced fraction of the cells. Half of the cells have candidates with
scores and own words, the other half identification; half have normal noise, which the probit model
takes to be so, the other half logistic noise.
"""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path

import numpy as np

from analysis.estimates.descriptives import ratings_of
from analysis.estimates.results import Estimate
from analysis.listeners.choices import describe_choices
from analysis.listeners.confidence_agreement import describe_agreement
from analysis.listeners.free_text import describe_free_text, own_words
from analysis.listeners.machine_scores import describe_scores
from analysis.listeners.repeats import describe_repeats
from analysis.reading.labels import read_labels
from analysis.reading.table import read_responses
from analysis.report.analyse import analyse
from analysis.report.settings import Settings
from benchmarks.statistics_coverage.cells import ACCURACIES, ChoiceCell, fraction
from benchmarks.statistics_coverage.choice_studies import (
    OPTIONS,
    draw_choices,
    write_study,
)
from benchmarks.statistics_coverage.closed_forms import (
    EQUIVALENCE,
)
from benchmarks.statistics_coverage.population import population_of
from benchmarks.statistics_coverage.tally import Tally
from benchmarks.statistics_coverage.truths import of_these_listeners, truths

DIMENSIONS = 16
"""Of an embedding: the cosine of two random vectors has a standard deviation of 1/4."""
SIMILARITIES = ("free_text_chosen", "free_text_first", "free_text_elsewhere", "free_text_gain")
RESAMPLES = 400
"""Bootstrap resamples; the report's default is 10,000."""
MINE = ("a", "a − b", "all methods")
"""Of two equal methods the first is counted, their difference, and the model of both."""


def whole_cells() -> list[ChoiceCell]:
    """The fraction, with kinds of choice and accuracies in turn; the smallest studies first."""
    found = [
        ChoiceCell(
            cell,
            ("candidates", "identification")[i % 2],
            ACCURACIES[i % 3],
            link=("probit", "logit")[i // 2 % 2],
        )
        for i, cell in enumerate(fraction())
    ]
    return sorted(found, key=lambda choice: choice.cell.features * choice.cell.ratings)


def measure_whole(choice: ChoiceCell, rng: np.random.Generator, studies: int) -> Tally:
    """The report's own analysis of whole tables, two equal methods."""
    population, tally = population_of(choice.cell, choice.link), Tally()
    known = truths(choice, population)
    for number in range(studies):
        methods = draw_choices(choice, population, rng)
        with tempfile.TemporaryDirectory() as name:
            path = write_study(Path(name), choice, methods, rng)
            summary = analyse(path, Settings(seed=number, resamples=RESAMPLES)).summary
        truth = known | of_these_listeners(choice, population, methods[0], rng)
        tally.estimates([e for e in summary.estimates if e.method in MINE], truth)
        tally.tests(summary.tests, but=(EQUIVALENCE,))
    return tally


def measure_scores(choice: ChoiceCell, rng: np.random.Generator, studies: int) -> Tally:
    """What needs no model: agreement, choices, repeats, scores and own words of one method."""
    population, tally = population_of(choice.cell, choice.link), Tally()
    known = truths(choice, population)
    for number in range(studies):
        methods = draw_choices(choice, population, rng)
        truth = known | of_these_listeners(choice, population, methods[0], rng)
        with tempfile.TemporaryDirectory() as name:
            path = write_study(Path(name), choice, methods, rng)
            tally.estimates(_without_models(path, seed=number), truth)
            tally.estimates(_by_embedding(path, seed=number), truth, ", by an embedding")
    return tally


def _without_models(path: Path, seed: int) -> list[Estimate]:
    responses = read_responses(path)
    labels = read_labels(path.parent, responses)
    found = [
        *describe_choices(responses, "a", seed=seed, resamples=RESAMPLES),
        *describe_agreement(ratings_of(responses, "a"), seed=seed),
        *describe_repeats(responses, "a"),
        *describe_scores(responses, labels, "a", seed=seed, resamples=RESAMPLES),
        *describe_free_text(responses, own_words(responses, labels), "a"),
    ]
    return [e for e in found if e.recommended]


def _by_embedding(path: Path, seed: int) -> list[Estimate]:
    """Similarities of own words, where each text has a random vector: 0 on average between two."""
    responses = read_responses(path)
    labels, rng = read_labels(path.parent, responses), np.random.default_rng(seed)
    options = [f"option_{place}" for place in range(1, OPTIONS + 1)]
    texts = _texts(path, ["free_text", *options]) | _texts(path.parent / "labels.csv", ["text"])
    lines = [
        json.dumps({"text": text, "vector": rng.normal(size=DIMENSIONS).tolist()})
        for text in sorted(texts)
    ]
    vectors = path.parent / "vectors.jsonl"
    vectors.write_text("\n".join(lines), encoding="utf-8")
    own = own_words(responses, labels, embeddings=vectors)
    return [e for e in describe_free_text(responses, own, "a") if e.name in SIMILARITIES]


def _texts(path: Path, columns: list[str]) -> set[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row[name] for row in csv.DictReader(file) for name in columns if row[name]}
