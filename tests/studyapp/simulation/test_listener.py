"""The listener model, and its expectation compared with a large sample from it."""

from __future__ import annotations

from random import Random
from statistics import mean

import pytest

from studyapp.simulation.listener import Answer, ListenerModel

SHARP = ListenerModel(ability=1, noise=1e-6, floor=1, slope=4, bias=1e-6, slip=1e-6)


def test_a_listener_without_noise_takes_the_best_name() -> None:
    listener = SHARP.listener(Random(0))
    assert listener.answer([0, 0.2, 1, 0.5, 0]) == Answer(choice=3, confidence=5)
    assert listener.answer([0.45, 0.2, 0, 0, 0]) == Answer(choice=1, confidence=3)


def test_a_listener_without_ability_guesses() -> None:
    listener = ListenerModel(ability=0).listener(Random(0))
    choices = [listener.answer([1, 0, 0, 0, 0]).choice for _ in range(5000)]
    assert mean(choice == 1 for choice in choices) == pytest.approx(0.2, abs=0.02)


def test_equal_seeds_answer_equally() -> None:
    fits = [[0.1 * n, 0.5, 0.3, 0, 1] for n in range(10)]
    first, second = (ListenerModel().listener(Random("7/3")) for _ in range(2))
    assert [first.answer(f) for f in fits] == [second.answer(f) for f in fits]


@pytest.mark.parametrize("fits", [[1, 0, 0, 0, 0], [4 / 9] * 5, [0] * 5, [1, 1, 4 / 9, 1 / 9, 0]])
def test_the_expectation_is_the_mean_over_many_listeners(fits: list[float]) -> None:
    model, rng = ListenerModel(), Random(1)
    answers = [model.listener(rng).answer(fits).confidence for _ in range(40_000)]
    # Standard error: a spread of at most 2 over 200.
    assert mean(answers) == pytest.approx(model.expected_confidence(fits), abs=0.03)


def test_of_two_sounds_the_first_is_chosen_as_a_logistic_function_says() -> None:
    model = ListenerModel(dose=0.8)
    rng = Random(3)
    for amounts in ([2.0, 0.0], [0.5, 1.0], [0.0, 0.0]):
        chosen = [model.listener(rng).compare(amounts).choice for _ in range(4000)]
        assert abs(chosen.count(1) / 4000 - model.share(amounts)) < 0.035
    assert {model.listener(rng).compare([9.0, 0.0]).confidence for _ in range(50)} == {5}
