"""What is printed of choices and has a closed form: accuracy, d′, confidence given the choice."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from analysis.estimates.choices.comparisons import compare_choices
from analysis.listeners.choices import describe_choices
from analysis.listeners.identification import d_prime
from analysis.reading.table import read_responses
from benchmarks.statistics_coverage.cells import ChoiceCell
from benchmarks.statistics_coverage.choice_studies import OPTIONS, draw_choices, write_study
from benchmarks.statistics_coverage.population import (
    STEPS,
    Population,
    population_of,
    superiority_of,
)
from benchmarks.statistics_coverage.tally import Tally

RESAMPLES = 100
BOOTSTRAPS = ("consensus_", "alpha_choice", "brennan_prediger_choice")
"""Measured with more resamples in the part `whole`."""


def measure_choices(choice: ChoiceCell, rng: np.random.Generator, studies: int) -> Tally:
    """Two equal methods; confidence is higher in a hit."""
    population, tally = population_of(choice.cell), Tally()
    truth = truths(choice, population)
    for _ in range(studies):
        with tempfile.TemporaryDirectory() as name:
            methods = draw_choices(choice, population, rng)
            responses = read_responses(write_study(Path(name), choice, methods, rng))
        found = describe_choices(responses, "a", seed=0, resamples=RESAMPLES)
        tally.estimates(
            [e for e in found if e.recommended and not e.name.startswith(BOOTSTRAPS)], truth
        )
        differences, tests = compare_choices(responses, "a", "b")
        tally.estimates(differences, truth)
        tally.tests(tests)
    return tally


def truths(choice: ChoiceCell, population: Population) -> dict[str, float]:
    """Every true value of a cell's choices."""
    hit, miss = (population.answers(s) for s in (choice.lift, 0.0))
    right, wrong = float(STEPS @ hit), float(STEPS @ miss)
    if choice.kind == "candidates":
        other = (1 - choice.accuracy) / (OPTIONS - 1)
        return {
            "share_first_label": choice.accuracy,
            "share_label_elsewhere": other,
            "difference_share_first_label": 0.0,
            "confidence_rank_1": right,
            **{f"confidence_rank_{rank}": wrong for rank in range(2, OPTIONS)},
            "confidence_elsewhere": wrong,
        }
    sensitivity = d_prime(choice.accuracy, np.array([OPTIONS]))
    return {
        "identification_accuracy": choice.accuracy,
        "identification_corrected": (choice.accuracy - choice.chance) / (1 - choice.chance),
        "identification_d_prime": float(sensitivity or 0.0),
        "confidence_right": right,
        "confidence_wrong": wrong,
        "type_2_auroc": superiority_of(hit, miss),
        "difference_identification_corrected": 0.0,
        "difference_identification_paired": 0.0,
    }
