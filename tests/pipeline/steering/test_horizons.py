"""Effects after an intervention: continuity is not called one, and a late effect is found."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.steering.horizons.continuity import STRONG, Moves, beyond_continuity
from pipeline.steering.horizons.table import Horizons, horizon_records
from pipeline.steering.horizons.windows import stopped, windows_of
from pipeline.steering.plan import POOL
from pipeline.steering.settings import HorizonsConfig
from pipeline.store.steering_tables import HorizonEffectRecord
from pipeline.subjects.base import Intervention, SteeringVector

WINDOWS = 6
"""Two before the stop and four after it."""
FEATURES, SEEDS, DIRECTIONS = 12, 4, 20
PERSISTENCE = 0.6
"""φ of the synthetic process per window."""


def clips(rng: np.random.Generator, *shape: int, towards: np.ndarray) -> np.ndarray:
    """Moves [*shape, window] of a state that steering holds at `towards` up to the stop, and that
    falls back by φ per window afterwards; each window is a noisy measure of it."""
    state = towards + rng.normal(size=shape)
    found = []
    for window in range(WINDOWS):
        found.append(state + rng.normal(size=shape))
        held = towards if window == 0 else 0.0
        fresh = 0.5 * np.sqrt(1 - PERSISTENCE**2) * rng.normal(size=shape)
        state = held * (1 - PERSISTENCE) + PERSISTENCE * state + fresh
    return np.stack(found, axis=-1)


def drawn(rng: np.random.Generator, late: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Moves of features that steering moves by 3, and of random directions that it moves by 0 on
    average; `late` is added to the features' last two windows. All are less the same noisy clips
    without steering."""
    plain = rng.normal(size=(SEEDS, WINDOWS))
    own = clips(rng, FEATURES, SEEDS, towards=3.0 + rng.normal(size=(FEATURES, 1)))
    own[..., 4:] += late * (1 + 0.3 * rng.normal(size=(FEATURES, 1, 1)))
    towards = 0.7 * rng.normal(size=(DIRECTIONS, FEATURES, 1))
    return own - plain, clips(rng, DIRECTIONS, FEATURES, SEEDS, towards=towards) - plain


def at(moves: np.ndarray, window: int) -> Moves:
    return Moves(before=moves[..., 0], last=moves[..., 1], later=moves[..., window])


def by_least_squares(own: Moves, random: Moves) -> float:
    """The same estimate with b by least squares."""
    last, later = (one - one.mean(axis=0) for one in (random.last, random.later))
    b = (last * later).sum() / np.square(last).sum()
    return float((own.later - random.later.mean(axis=0) - b * own.last).mean()
                 + b * random.last.mean())  # fmt: skip


@pytest.mark.parametrize("window", range(2, WINDOWS))
def test_continuity_is_not_called_an_effect(window: int) -> None:
    rng = np.random.default_rng(window)
    values, naive, held = [], [], 0
    for _ in range(60):
        own, random = (at(moves, window) for moves in drawn(rng))
        found = beyond_continuity(own, random)
        assert found.adjusted is not None
        assert found.strength > STRONG
        held += found.adjusted.low <= 0 <= found.adjusted.high
        values.append(found.adjusted.value)
        naive.append(by_least_squares(own, random))
        # Without the adjustment there is an effect in every window.
        assert (own.later - random.later).mean() > 0
    assert held >= 57
    assert abs(np.mean(values)) < 0.1
    assert np.mean(naive) > 0.15, "noise in the last window makes least squares claim an effect"


def test_a_late_effect_is_found_where_it_is() -> None:
    rng = np.random.default_rng(0)
    claims = np.zeros(WINDOWS)
    for _ in range(20):
        own, random = drawn(rng, late=2.0)
        for window in range(2, WINDOWS):
            found = beyond_continuity(at(own, window), at(random, window)).adjusted
            assert found is not None
            claims[window] += found.low > 0
    assert claims[4:].min() >= 18
    assert claims[2:4].max() <= 1


def test_the_persistence_is_that_of_the_state_and_has_an_interval() -> None:
    rng, held = np.random.default_rng(1), 0
    for _ in range(60):
        own, random = drawn(rng)
        found = beyond_continuity(at(own, 3), at(random, 3)).persistence
        held += found.low <= PERSISTENCE**2 <= found.high
    assert held >= 53


def test_nothing_is_said_where_the_instrument_is_weak() -> None:
    """Windows of random directions that are noise only say nothing of continuity."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(DIRECTIONS, FEATURES, SEEDS, WINDOWS))
    own, _ = drawn(rng)
    assert beyond_continuity(at(own, 2), at(noise, 2)).adjusted is None
    still = np.zeros_like(noise)
    found = beyond_continuity(at(own, 2), at(still, 2))
    assert found.adjusted is None
    assert np.isnan(found.persistence.value)


def test_the_windows_lie_within_the_clip() -> None:
    before = [(-2.0, -1.0), (-1.0, 0.0)]
    assert windows_of(HorizonsConfig()) == [*before, (0, 1), (1, 2), (2, 5), (5, 6)]
    assert windows_of(HorizonsConfig(seconds=12.0, stop=3.0))[-1] == (5, 9)
    assert windows_of(HorizonsConfig(seconds=7.5))[-1] == (2, 5)
    assert windows_of(HorizonsConfig(seconds=3.0)) == [*before, (0, 1)]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"stop": 1.5}, "stops at 1.5 s of 8 s; there must be 2 s or more before it"),
        ({"stop": 7.5}, "and 1 s or more after it"),
        ({"stop": float("nan")}, "stops at nan s of 8 s"),
        ({"schedule": ((0.0, 1.0),)}, "a schedule of their own"),
        ({"interventions": ("add", "prompt")}, "the intervention 'prompt' has no vector"),
    ],
)
def test_what_has_no_horizons_is_one_line(changed: dict[str, object], message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        HorizonsConfig(**changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(("stop", "rate", "step"), [(2.0, 50.0, 100), (2.1, 30.0, 63)])
def test_the_intervention_is_whole_before_the_stop_and_nothing_after(
    stop: float, rate: float, step: int
) -> None:
    import torch

    schedule = stopped(HorizonsConfig(stop=stop), rate)
    vector = SteeringVector(torch.ones(2), "decoder.layers.0.resid_post", "")
    one = Intervention(vector, schedule=schedule)
    assert {one.weight(place, rate) for place in range(step)} == {1.0}
    assert {one.weight(place, rate) for place in range(step, 3 * step)} == {0.0}


def test_the_table_has_a_row_per_measure_and_window() -> None:
    """Two doses are one move per unit of α; features without a label have no row of theirs."""
    own, random = drawn(np.random.default_rng(0), late=4.0)
    windows = windows_of(HorizonsConfig())
    moves = [("add", 0, own), *((POOL, draw, one) for draw, one in enumerate(random))]
    rows = [
        _row(f"sae/{feature}", intervention, draw, alpha, seed, window, alpha * float(move))
        for intervention, draw, array in moves
        for (feature, seed, place), move in np.ndenumerate(array)
        for window in [windows[place]]
        for alpha in (0.5, 1.0)
    ]
    found = list(horizon_records("sae", Horizons(rows)))
    assert {row.measure for row in found} == {"similarity"}
    assert [(row.start, row.end) for row in found] == windows[1:]
    assert (found[0].adjusted, found[0].effect > 2) == (None, True)
    expected = beyond_continuity(at(own, 5), at(random, 5))
    assert expected.adjusted is not None
    assert found[-1].adjusted == pytest.approx(expected.adjusted.value)
    assert found[-1].persistence == pytest.approx(expected.persistence.value)
    assert found[-1].q is not None
    assert found[-1].q <= 0.05 < (found[1].q or 0)


def test_what_returns_after_the_stop_is_one_row_of_the_whole_clip() -> None:
    """A silent clip has no recurrence: its feature, or its random direction, is left out."""
    rng = np.random.default_rng(0)
    own, random = 1.0 + rng.normal(size=(4, SEEDS)), rng.normal(size=(5, 4, SEEDS))
    own[3, 0] = random[4, 0, 0] = np.nan
    moves = [("add", 0, own), *((POOL, draw, one) for draw, one in enumerate(random))]
    rows = [
        _row(f"sae/{feature}", intervention, draw, 1.0, seed, window, 0.0, returning=float(move))
        for intervention, draw, array in moves
        for (feature, seed), move in np.ndenumerate(array)
        for window in windows_of(HorizonsConfig())
    ]
    found = [row for row in horizon_records("sae", Horizons(rows)) if row.measure == "recurrence"]
    assert [(row.start, row.end, row.features, row.random_directions) for row in found] == [
        (0.0, 6.0, 3, 4)
    ]
    assert found[0].effect == pytest.approx(own[:3].mean())
    assert found[0].above_random == pytest.approx(own[:3].mean() - random[:4, :3].mean())
    assert (found[0].adjusted, found[0].p) == (None, None)


def _row(
    feature: str,
    intervention: str,
    draw: int,
    alpha: float,
    seed: int,
    window: tuple[float, float],
    move: float,
    *,
    returning: float = float("nan"),
) -> HorizonEffectRecord:
    return HorizonEffectRecord(
        feature=feature, intervention=intervention, draw=draw, hookpoint="", alpha=alpha, beta=1.0,
        prompt="", seed=seed, stop=2.0, forgotten=False, start=window[0], end=window[1],
        changed_share=1.0, similarity=0.5 + move, similarity_plain=0.5, label="",
        label_similarity=None, label_similarity_plain=None, own_activation=None,
        own_activation_plain=None,
        recurrence=None if np.isnan(returning) else 4.0 + returning, recurrence_plain=4.0,
    )  # fmt: skip
