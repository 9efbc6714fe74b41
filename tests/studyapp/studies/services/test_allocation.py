"""The draw on plain values: what holds for every study, seed and order of arrival."""

from __future__ import annotations

import itertools
from collections import Counter
from random import Random

import pytest

from studyapp.core.errors import StudyError
from studyapp.studies.services import allocation
from studyapp.studies.services.allocation import (
    CATCH,
    MAIN,
    REPEAT,
    Allocation,
    Cell,
    Counts,
    Frame,
)

Ratings = dict[str, tuple[int, int]]


def frame(*, features: int = 12, methods: str = "abc", **options: object) -> Frame:
    cells = tuple(
        Cell(f"i{feature:02d}{method}", f"f{feature}", method)
        for feature in range(features)
        for method in methods
    )
    given = {"trials": 6, "within": True} | options
    return Frame(methods=tuple(methods), cells=cells, **given)  # type: ignore[arg-type]


def empty(of: Frame) -> Counts:
    return Counts(dict.fromkeys(of.methods, 0), {cell.item: (0, 0) for cell in of.cells})


def after(state: Counts, allocated: Allocation) -> Counts:
    """The state after this allocation is held, too."""
    ratings = dict(state.ratings)
    for one in allocated.trials:
        if one.kind == MAIN:
            held, lost = ratings[one.item]
            ratings[one.item] = (held + 1, lost)
    held = dict(state.held)
    if allocated.method:
        held[allocated.method] += 1
    return Counts(held, ratings)


def arrivals(of: Frame, count: int) -> list[tuple[Allocation, Counts]]:
    """Successive allocations, each with the state after it."""
    state, seen = empty(of), []
    for seed in range(count):
        allocated = allocation.draw(of, state, seed)
        state = after(state, allocated)
        seen.append((allocated, state))
    return seen


def main_cells(of: Frame, allocated: Allocation) -> list[Cell]:
    by_item = {cell.item: cell for cell in of.cells}
    return [by_item[one.item] for one in allocated.trials if one.kind == MAIN]


@pytest.mark.parametrize(("features", "methods", "trials"), [
    (12, "abc", 6), (10, "ab", 4), (9, "abc", 9), (8, "ab", 8), (7, "abcd", 4), (20, "ab", 10),
])  # fmt: skip
def test_within_participants_cells_stay_within_one_of_even(
    features: int, methods: str, trials: int
) -> None:
    of = frame(features=features, methods=methods, trials=trials)
    rounds = 3 * -(-features * len(methods) // trials)
    for allocated, state in arrivals(of, rounds):
        cells = main_cells(of, allocated)
        assert len({cell.feature for cell in cells}) == trials
        assert set(Counter(cell.method for cell in cells).values()) == {trials // len(methods)}
        counts = [held for held, _ in state.ratings.values()]
        assert max(counts) - min(counts) <= 1


def test_an_odd_number_of_trials_goes_round_the_conditions() -> None:
    of = frame(features=15, methods="ab", trials=5)
    totals: Counter[str] = Counter()
    for allocated, _ in arrivals(of, 12):
        totals.update(cell.method for cell in main_cells(of, allocated))
        assert abs(totals["a"] - totals["b"]) <= 1


def test_between_participants_every_trial_is_of_the_condition_with_the_fewest() -> None:
    of = frame(features=12, methods="ab", trials=4, within=False)
    for number, (allocated, state) in enumerate(arrivals(of, 12), start=1):
        assert {cell.method for cell in main_cells(of, allocated)} == {allocated.method}
        assert abs(state.held["a"] - state.held["b"]) == number % 2


def test_the_cheapest_cells_are_found_where_greed_would_miss_them() -> None:
    """Both conditions need feature 0; only b has another one that is as rarely rated."""
    of = frame(features=2, methods="ab", trials=2)
    ratings: Ratings = {"i00a": (0, 0), "i01a": (5, 0), "i00b": (0, 0), "i01b": (0, 0)}
    for seed in range(20):
        allocated = allocation.draw(of, Counts({"a": 0, "b": 0}, ratings), seed)
        assert {one.item for one in allocated.trials} == {"i00a", "i01b"}


def test_no_other_choice_of_cells_is_cheaper() -> None:
    """Compared with all possible choices."""
    of = frame(features=5, methods="ab", trials=4)
    rng = Random(3)
    for seed in range(30):
        ratings = {cell.item: (rng.randrange(4), 0) for cell in of.cells}
        allocated = allocation.draw(of, Counts({"a": 0, "b": 0}, ratings), seed)
        squares = sum(ratings[one.item][0] ** 2 for one in allocated.trials)
        best = min(
            sum(ratings[f"i{n:02d}a"][0] ** 2 for n in first)
            + sum(ratings[f"i{n:02d}b"][0] ** 2 for n in second)
            for first in itertools.combinations(range(5), 2)
            for second in itertools.combinations(set(range(5)) - set(first), 2)
        )
        assert squares == best


def test_only_the_same_seed_and_state_give_the_same_plan() -> None:
    of = frame(catch=("c01", "c02"), catch_trials=1, repeats=2)
    first = [allocation.draw(of, empty(of), seed) for seed in range(6)]
    assert first == [allocation.draw(of, empty(of), seed) for seed in range(6)]
    assert len(set(first)) == 6


@pytest.mark.parametrize(("trials", "catch", "repeats"), [(10, 2, 3), (4, 4, 2), (2, 1, 1)])
def test_catch_trials_and_repeats_come_on_top_at_places_that_mean_something(
    trials: int, catch: int, repeats: int
) -> None:
    names = ("c01", "c02", "c03", "c04")
    of = frame(methods="ab", trials=trials, catch=names, catch_trials=catch, repeats=repeats)
    places: set[int] = set()
    for seed in range(40):
        allocated = allocation.draw(of, empty(of), seed).trials
        kinds = Counter(one.kind for one in allocated)
        assert kinds == {MAIN: trials, CATCH: catch, REPEAT: repeats}
        assert allocated[0].kind == MAIN
        shown = [one.item for one in allocated if one.kind == CATCH]
        assert len(set(shown)) == catch
        places |= {n for n, one in enumerate(allocated) if one.kind == CATCH}
        for place, one in enumerate(allocated):
            if one.repeats is not None:
                again = allocated[one.repeats]
                assert (again.item, again.kind) == (one.item, MAIN)
                assert again.order != one.order
                assert place > one.repeats + (trials > 2)
        repeated = [one.repeats for one in allocated if one.kind == REPEAT]
        assert len(set(repeated)) == repeats
    assert len(places) > catch


def identification(*, labels: int, features: int = 24, trials: int = 6) -> Frame:
    """Cells of `labels` texts in two halves, distractors from the other half."""
    rng = Random(5)
    halves = [[f"t{n}" for n in range(labels) if n % 2 == half] for half in (0, 1)]
    cells = []
    for feature in range(features):
        target = halves[feature % 2][feature // 2 % len(halves[0])]
        others = rng.sample(halves[1 - feature % 2], 4)
        for method in "ab":
            cells.append(Cell(f"i{feature:02d}{method}", f"f{feature}", method, target,
                              frozenset(others)))  # fmt: skip
    return Frame(methods=("a", "b"), cells=tuple(cells), trials=trials)


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("labels", [10, 24])
def test_no_label_is_both_target_and_distractor(labels: int, within: bool) -> None:
    of = identification(labels=labels)
    of = Frame(methods=of.methods, cells=of.cells, trials=6, within=within)
    state = empty(of)
    for allocated, state in arrivals(of, 32):  # noqa: B007 - the last state is looked at
        cells = main_cells(of, allocated)
        targets = {cell.target for cell in cells}
        distractors = set().union(*(cell.distractors for cell in cells))
        assert not targets & distractors
        assert len({cell.feature for cell in cells}) == 6
    counts = [held for held, _ in state.ratings.values()]
    assert max(counts) - min(counts) <= 1


def test_labels_that_cannot_be_kept_apart_are_refused_in_one_line() -> None:
    texts = [f"t{n}" for n in range(5)]
    cells = tuple(
        Cell(f"i{n}", f"f{n}", "a", texts[n], frozenset(texts) - {texts[n]}) for n in range(5)
    )
    of = Frame(methods=("a",), cells=cells, trials=2)
    with pytest.raises(StudyError, match="needs more different labels"):
        allocation.draw(of, empty(of), 1)
