"""Is a motif that returns told from another of the same texture? On pieces of the composer.

Prints how well the matcher of `pipeline.steering.recurrence` and its parts tell the two apart, and
beside them what is usual: the similarity of chroma, frame by frame, as it is and at its best
transposition; and that of the mean spectra, which sees only the texture.
"""

from __future__ import annotations

import argparse
from itertools import islice

import numpy as np

from benchmarks.recurrence.pieces import DECOYS, SECONDS, Piece, pieces
from fixtures.corpus.synth import SAMPLE_RATE
from pipeline.steering.recurrence import recurrence

SEED = 900
"""Its pieces were not heard while the matcher was made."""
WITHIN = 0.25
"""Seconds by which a motif may be late or early, where its place is known."""
SHORT = 2.0
"""Seconds of shorter stretches, with half of the motif."""
CHROMA_HOP = 1024
RESAMPLES = 2000

Halves = tuple[np.ndarray, np.ndarray]


def main() -> None:
    """Render the pieces, score them, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pieces", type=int, default=200, help="each with a decoy of both kinds")
    parser.add_argument("--seed", type=int, default=SEED, help="of the composer")
    options = parser.parse_args()
    found: dict[str, list[list[float]]] = {}
    for piece in islice(pieces(options.seed), options.pieces):
        for name, scores in _scored(piece).items():
            found.setdefault(name, []).append(scores)
    count = options.pieces
    print(f"{count} pieces of {SECONDS:g} s whose motif returns, and {2 * count} decoys")
    print(f"{'AUROC':28} {'all decoys':22} " + " ".join(f"{name:10}" for name in DECOYS))
    for name, rows in found.items():
        print(_row(name, np.array(rows)))
    print(_threshold(np.array(found["matcher, at any lag"])))


def _scored(piece: Piece) -> dict[str, list[float]]:
    """By measure: the scores of the motif's return and of each decoy."""
    found: dict[str, list[float]] = {}
    for kind in ("returns", *DECOYS):
        for name, score in _measures(piece.halves(kind)).items():
            found.setdefault(name, []).append(score)
    return found


def _measures(halves: Halves) -> dict[str, float]:
    anywhere = recurrence(*halves, SAMPLE_RATE)
    known = recurrence(*halves, SAMPLE_RATE, within=WITHIN)
    first, second = (half[: round(SHORT * SAMPLE_RATE)] for half in halves)
    untransposed, transposed = _chroma_similarity(halves)
    return {
        "matcher, at any lag": anywhere.score,
        "  of it: held pitches": anywhere.held,
        "  of it: attacks": anywhere.attacks,
        f"matcher, lag ≤ {WITHIN} s": known.score,
        "  of it: held pitches ": known.held,
        "  of it: attacks ": known.attacks,
        f"matcher, {SHORT:g} s of both": recurrence(first, second, SAMPLE_RATE).score,
        f"matcher, {SHORT:g} s of the first": recurrence(first, halves[1], SAMPLE_RATE).score,
        "chroma": untransposed,
        "chroma, best transposition": transposed,
        "mean spectrum": _texture_similarity(halves),
    }


def _chroma_similarity(halves: Halves) -> tuple[float, float]:
    """The largest correlation of two chromagrams over lags up to `WITHIN`: as they are, and at the
    best transposition too."""
    import librosa

    first, second = (
        librosa.feature.chroma_cqt(y=half, sr=SAMPLE_RATE, hop_length=CHROMA_HOP) for half in halves
    )
    most = round(WITHIN * SAMPLE_RATE / CHROMA_HOP)
    best = [
        max(_correlation(*_overlap(first, moved, lag)) for lag in range(-most, most + 1))
        for moved in (np.roll(second, -semitones, axis=0) for semitones in range(12))
    ]
    return best[0], max(best)


def _overlap(first: np.ndarray, second: np.ndarray, lag: int) -> Halves:
    """The frames that coincide if the second is `lag` frames late."""
    count = first.shape[1] - abs(lag)
    at, beside = max(-lag, 0), max(lag, 0)
    return first[:, at : at + count], second[:, beside : beside + count]


def _texture_similarity(halves: Halves) -> float:
    import librosa

    mels = [librosa.feature.melspectrogram(y=half, sr=SAMPLE_RATE) for half in halves]
    first, second = (np.log(mel + 1e-6).mean(axis=1) for mel in mels)
    return _correlation(first, second)


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def _row(name: str, scores: np.ndarray) -> str:
    """A line of the table, from scores [piece, motif's return and decoys]."""
    value, low, high = _interval(scores)
    others = (_wins(scores[:, [0, column]]).mean() for column in range(1, scores.shape[1]))
    return f"{name:28} {value:.3f} [{low:.3f}, {high:.3f}]   " + " ".join(
        f"{one:<10.3f}" for one in others
    )


def _wins(scores: np.ndarray) -> np.ndarray:
    """Whether the motif that returns in one piece scores above the decoys of another, ties half
    [piece, piece], mean over decoys: the mean of it all is the AUROC."""
    returns, decoys = scores[:, 0, None, None], scores[None, :, 1:]
    return np.asarray(((returns > decoys) + 0.5 * (returns == decoys)).mean(axis=2))


def _interval(scores: np.ndarray) -> tuple[float, float, float]:
    """AUROC, and its 95 % interval by a bootstrap over pieces, each with its decoys."""
    wins, rng = _wins(scores), np.random.default_rng(0)
    drawn = rng.integers(len(wins), size=(RESAMPLES, len(wins)))
    low, high = np.quantile([wins[np.ix_(one, one)].mean() for one in drawn], [0.025, 0.975])
    return float(wins.mean()), float(low), float(high)


def _threshold(scores: np.ndarray) -> str:
    limit = np.quantile(scores[:, 1:], 0.95)
    share = (scores[:, 0] > limit).mean()
    return f"5 % of the decoys score above {limit:.1f}, and {share:.0%} of the motifs that return"


if __name__ == "__main__":
    main()
