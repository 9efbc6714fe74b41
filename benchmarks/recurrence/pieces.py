"""Pieces of the composer in which a motif returns, and decoys of the same texture.

The first half of a piece has the lead's melody. In the second half the lead is transposed and on
another instrument, while the other voices go on as composed. It plays one of these:

- `returns`: the same motif;
- `another`: in its rhythm, the pitches of another melody that the composer writes for the same
  chords, in the same key and register;
- `reordered`: in its rhythm, its own pitches in another order.

So a decoy has its piece's instruments, key, tempo, rhythm, density, register and transposition, and
another motif: at most half of its notes agree with the first motif at any one transposition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from fixtures.corpus.composer import CLUSTER, LEAD_PROGRAMS, compose, lead
from fixtures.corpus.plan import Plan, make_plan
from fixtures.corpus.production import mix, produce
from fixtures.corpus.score import Note, Score
from fixtures.corpus.synth import SAMPLE_RATE, play

SECONDS = 8.0
HALF = SECONDS / 2
FEWEST = 6
"""Notes of a motif."""
MELODIC = ("", "staccato", "vibrato")
"""Figures of the lead that have a motif; runs and tremolo do not."""
INTERVALS = (-5, -4, -3, -2, 2, 3, 4, 5)
"""Semitones by which the second half is transposed."""
DECOYS = ("another", "reordered")
DRAWS = 100
ELSEWHERE = 1_000_000
"""Further indices of plans, which no piece has: there the composer draws other melodies."""

Moves = tuple[int, ...]
"""Semitones between each note of the motif and what is played in its place."""


@dataclass(frozen=True)
class Piece:
    """A composed piece and what its lead may play in the second half."""

    plan: Plan
    score: Score
    motif: tuple[tuple[Note, ...], ...]
    """The notes of the first half; those of a cluster are together."""
    moves: dict[str, Moves]
    """By kind, before they are transposed."""
    interval: int
    program: int
    """Of the second half's lead."""

    def halves(self, kind: str) -> tuple[np.ndarray, np.ndarray]:
        """Both halves [sample] at `SAMPLE_RATE`."""
        melody, *others = self.score.voices
        first = tuple(note for chord in self.motif for note in chord)
        second = tuple(
            replace(note, start=note.start + HALF, pitch=note.pitch + move + self.interval)
            for chord, move in zip(self.motif, self.moves[kind], strict=True)
            for note in chord
        )
        voices = [
            replace(melody, notes=first),
            replace(melody, notes=second, program=self.program),
            *others,
        ]
        stems = [(play(voice, SECONDS), voice.level) for voice in voices]
        sound = produce(self.plan, mix(stems))
        middle = round(HALF * SAMPLE_RATE)
        return sound[:middle], sound[middle:]


def pieces(seed: int) -> Iterator[Piece]:
    """The composer's pieces of a seed that have a motif and both decoys, without end."""
    index = 0
    while True:
        found = _piece(make_plan(seed, index))
        index += 1
        if found is not None:
            yield found


def _piece(plan: Plan) -> Piece | None:
    score = compose(plan, SECONDS)
    notes = score.voices[0].notes
    size = len(CLUSTER) if plan.cluster else 1
    chords = [notes[i : i + size] for i in range(0, len(notes), size)]
    motif = tuple(one for one in chords if one[0].start + one[0].length < HALF)
    if plan.figure not in MELODIC or len(motif) < FEWEST:
        return None
    rng = np.random.default_rng([plan.seed, plan.index])
    another = _first_unlike(_another(plan, score, motif, draw) for draw in range(1, DRAWS))
    reordered = _first_unlike(_reordered(motif, rng) for _ in range(DRAWS))
    if another is None or reordered is None:
        return None
    others = [one for one in LEAD_PROGRAMS.values() if one != score.voices[0].program]
    return Piece(
        plan=plan,
        score=score,
        motif=motif,
        moves={"returns": (0,) * len(motif), "another": another, "reordered": reordered},
        interval=int(rng.choice(INTERVALS)),
        program=int(rng.choice(others)),
    )


def _first_unlike(drawn: Iterator[Moves]) -> Moves | None:
    """The first melody of which at most half of the notes agree with the motif, however it is
    transposed."""
    return next((one for one in drawn if max(Counter(one).values()) <= len(one) / 2), None)


def _another(plan: Plan, score: Score, motif: tuple[tuple[Note, ...], ...], draw: int) -> Moves:
    other = replace(plan, index=plan.index + draw * ELSEWHERE, figure="")
    melody = lead(other, score.chords, beat=score.beat, seconds=score.seconds)
    # 1) The other melody may have fewer notes than the motif: then it starts again.
    lowest = [note.pitch for note in melody.notes[:: len(motif[0])]]
    return tuple(lowest[i % len(lowest)] - chord[0].pitch for i, chord in enumerate(motif))


def _reordered(motif: tuple[tuple[Note, ...], ...], rng: np.random.Generator) -> Moves:
    own = np.array([chord[0].pitch for chord in motif])
    return tuple((rng.permutation(own) - own).tolist())
