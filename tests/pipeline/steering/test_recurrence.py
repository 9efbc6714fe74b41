"""A motif that returns is told from another in the same texture."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from benchmarks.recurrence.pieces import DECOYS, INTERVALS, Piece, pieces
from fixtures.corpus.synth import SAMPLE_RATE
from pipeline.errors import PipelineError
from pipeline.steering.recurrence import across, recurrence

MOTIF = (60, 64, 62, 67, 65, 60, 69, 62)
OTHER = (60, 62, 69, 64, 60, 67, 62, 65)
"""The same pitches in another order."""
RATE = 16_000


def tune(pitches: tuple[int, ...], overtones: tuple[float, ...]) -> np.ndarray:
    """A tune [sample] of two seconds, in a timbre with these amplitudes of its overtones."""
    seconds = np.arange(RATE // 4) / RATE
    notes = []
    for pitch in pitches:
        hertz = 440 * 2 ** ((pitch - 69) / 12)
        waves = (
            size * np.sin(2 * np.pi * hertz * (k + 1) * seconds) for k, size in enumerate(overtones)
        )
        notes.append(sum(waves) * np.exp(-4 * seconds))
    return np.concatenate(notes).astype(np.float32)


BRIGHT, HOLLOW = (0.3, 0.5, 0.4, 0.4, 0.2), (1.0, 0.0, 0.3, 0.0, 0.1)


@pytest.mark.parametrize("semitones", [-7, 0, 4, 12])
def test_a_motif_is_known_in_any_transposition_and_timbre(semitones: int) -> None:
    first = tune(MOTIF, BRIGHT)
    moved = [tuple(pitch + semitones for pitch in one) for one in (MOTIF, OTHER)]
    same, other = (recurrence(first, tune(one, HOLLOW), RATE) for one in moved)
    assert same.held > other.held + 2
    assert same.attacks > other.attacks + 2


def test_a_motif_is_known_wherever_it_starts_unless_its_place_is_asked_for() -> None:
    first, late = tune(MOTIF, BRIGHT), np.roll(tune(MOTIF, HOLLOW), RATE)
    there = recurrence(first, tune(MOTIF, HOLLOW), RATE)
    assert recurrence(first, late, RATE).score == pytest.approx(there.score, rel=0.15)
    assert recurrence(first, late, RATE, within=0.25).score < there.score - 5


def test_loudness_and_rate_change_nothing() -> None:
    import soxr

    first, second = tune(MOTIF, BRIGHT), tune(MOTIF, HOLLOW)
    score = recurrence(first, second, RATE).score
    assert recurrence(0.01 * first, second, RATE).score == pytest.approx(score, rel=1e-3)
    higher = [soxr.resample(one, RATE, 32_000) for one in (first, second)]
    assert recurrence(*higher, 32_000).score == pytest.approx(score, rel=0.05)


@pytest.fixture(scope="module")
def composed() -> list[Piece]:
    return list(islice(pieces(101), 6))


def test_decoys_have_the_rhythm_and_another_motif(composed: list[Piece]) -> None:
    for piece in composed:
        lowest = np.array([chord[0].pitch for chord in piece.motif])
        assert piece.interval in INTERVALS
        assert piece.program != piece.score.voices[0].program
        for kind in DECOYS:
            moves = np.array(piece.moves[kind])
            agreeing = max((moves == one).sum() for one in moves)
            assert agreeing <= len(moves) / 2
        assert sorted(lowest + piece.moves["reordered"]) == sorted(lowest)


def test_in_pieces_of_the_composer_a_motif_that_returns_scores_above_decoys(
    composed: list[Piece],
) -> None:
    scores = np.array([
        [recurrence(*piece.halves(kind), SAMPLE_RATE).score for kind in ("returns", *DECOYS)]
        for piece in composed
    ])  # fmt: skip
    assert scores[:, 0].mean() > scores[:, 1:].mean() + 5
    assert (scores[:, :1] > scores[:, 1:]).mean() >= 0.75


def test_a_clip_is_searched_after_a_moment_for_what_is_before_it() -> None:
    first, second, other = tune(MOTIF, BRIGHT), tune(MOTIF, HOLLOW), tune(OTHER, HOLLOW)
    returns, wanders = (np.concatenate([first, other, one]) for one in (second, other))
    found = across(returns, RATE, at=2.0)
    assert found == recurrence(first, returns[2 * RATE :], RATE)
    assert found.score > across(wanders, RATE, at=2.0).score + 5
    with pytest.raises(PipelineError, match=r"the second stretch lasts 0\.50 s"):
        across(returns, RATE, at=5.5)


@pytest.mark.parametrize(
    ("length", "size", "message"),
    [
        (8_000, 1.0, "the second stretch lasts 0.50 s; a motif is looked for in 1 s or more"),
        (32_000, 0.0, "the second stretch is silent, so no motif can return in it"),
    ],
)
def test_what_holds_no_motif_is_refused_in_one_line(length: int, size: float, message: str) -> None:
    with pytest.raises(PipelineError, match=message) as caught:
        recurrence(tune(MOTIF, BRIGHT), size * np.ones(length), RATE)
    assert "\n" not in str(caught.value)


def test_a_sound_that_never_changes_has_no_motif() -> None:
    still = np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)
    assert recurrence(tune(MOTIF, BRIGHT), still, RATE).score < 8
