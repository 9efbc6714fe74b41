"""Tables of studies with choices, as an export writes them, and what is true in them.

A hit is Bernoulli with logit = b + listener + feature + feature × method (+ listener × method
within listeners); under `identification` a listener who does not know the answer guesses. Labels
have letters of their own, so that two different texts have the similarity 0.
"""

from __future__ import annotations

import csv
import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import special

from analysis.arrays import Floats, Ints
from benchmarks.statistics_coverage.cells import ChoiceCell
from benchmarks.statistics_coverage.population import Population, intercept
from benchmarks.statistics_coverage.studies import Side, draw, rate

OPTIONS = 5
LISTENER_SD, FEATURE_SD, OWN_SD, PREFERENCE_SD = 0.7, 0.7, 0.5, 0.4
"""Of the logit of a hit, where the cell's shares of variance are not 0."""
SAME_CHOICE, SAME_CONFIDENCE = 0.7, 0.6
"""Of an answer that is repeated."""
OWN_WORDS = 0.6
"""Share of the trials with own words."""
FIRST, OTHERS = 0.5, 0.3
"""Own words that are the method's first label, and another feature's first label."""
SCORE = 0.7
"""Correlation of a label's score with the feature's own level of confidence, where there is one."""
LETTERS = 0x4E00
"""From here on each label takes three letters that no other has."""


@dataclass(frozen=True)
class Spread:
    """Standard deviations of a hit's logit."""

    listener: float
    preference: float
    feature: float
    own: float

    @property
    def total(self) -> float:
        """Of a random listener and feature."""
        parts = (self.listener, self.preference, self.feature, self.own)
        return float(np.sqrt(np.sum(np.square(parts))))


def spread_of(choice: ChoiceCell) -> Spread:
    """A share of variance that is 0 in ratings is 0 in choices."""
    cell = choice.cell
    return Spread(
        LISTENER_SD * (cell.icc_listener > 0),
        PREFERENCE_SD * (cell.preference > 0),
        FEATURE_SD * (cell.icc_feature > 0),
        OWN_SD * (cell.own > 0),
    )


def level_of(choice: ChoiceCell) -> float:
    """The b at which the share of hits is the cell's."""
    known = (choice.accuracy - choice.chance) / (1 - choice.chance)
    return intercept(known, spread_of(choice).total)


@dataclass(frozen=True)
class Method:
    """One method's part of a study."""

    side: Side
    listener: Floats
    """Of a hit's logit, [listener]."""
    feature: Floats
    """Of a hit's logit, [feature]."""
    hit: Floats
    chosen: Ints
    """Place of the chosen label, [rating]: 0 the first label, or the right one."""


def draw_choices(
    choice: ChoiceCell, population: Population, rng: np.random.Generator
) -> list[Method]:
    """Two equal methods."""
    spread, cell = spread_of(choice), choice.cell
    common = rng.normal(0, spread.feature, cell.features)
    listener = rng.normal(0, spread.listener, cell.participants)
    found = []
    for number, side in enumerate(draw(population, rng, (0.0, 0.0))):
        if number and not cell.within:
            listener = rng.normal(0, spread.listener, cell.participants)
        own = listener + rng.normal(0, spread.preference, cell.participants)
        feature = common + rng.normal(0, spread.own, cell.features)
        at = side.participant % cell.participants
        chosen = choose(choice, rng, own[at] + feature[side.feature])
        hit = (chosen == 0).astype(np.float64)
        found.append(Method(_lifted(choice, population, rng, side, hit), own, feature, hit, chosen))
    return found


def choose(choice: ChoiceCell, rng: np.random.Generator, logit: Floats) -> Ints:
    """The place of each chosen label: 0 for a hit, else one of the other four."""
    known = rng.random(logit.shape) < special.expit(level_of(choice) + logit)
    guessed = rng.random(logit.shape) < choice.chance
    other = rng.integers(1, OPTIONS, logit.shape)
    return np.where(known | guessed, 0, other)


def _lifted(
    choice: ChoiceCell, population: Population, rng: np.random.Generator, side: Side, hit: Floats
) -> Side:
    """The ratings again, with confidence higher in a hit."""
    if not choice.lift:
        return side
    at = side.participant % choice.cell.participants
    expected = side.level[at] + side.of_feature[side.feature] + choice.lift * hit
    return dataclasses.replace(side, values=rate(population, rng, expected, side.scale[at]))


def label(method: str, feature: int, place: int) -> str:
    """A text of three letters of its own."""
    number = 3 * (OPTIONS * (2 * feature + (method == "b")) + place)
    return "".join(chr(LETTERS + number + i) for i in range(3))


@dataclass(frozen=True)
class Scores:
    """What labels.csv says of one method's labels, each [feature, place]."""

    score: Floats
    confidence: Floats


def scores_of(choice: ChoiceCell, method: Method, rng: np.random.Generator) -> Scores:
    """A score that goes with the level of confidence, and the machine's own confidence."""
    spread = spread_of(choice)
    level = standard(method.side.common, choice.cell.icc_feature, rng)
    noise = rng.normal(size=(len(level), OPTIONS))
    score = SCORE * level[:, None] + np.sqrt(1 - SCORE**2) * noise
    first = machine(choice, standard(method.feature, spread.feature**2 + spread.own**2, rng))
    rest = np.repeat(((1 - first) / OPTIONS)[:, None], OPTIONS - 1, axis=1)
    return Scores(score, np.concatenate([first[:, None], rest], axis=1))


def standard(level: Floats, variance: float, rng: np.random.Generator) -> Floats:
    """Levels in units of their standard deviation; random numbers where they are all the same."""
    return level / np.sqrt(variance) if variance > 0 else rng.normal(size=len(level))


def machine(choice: ChoiceCell, level: Floats) -> Floats:
    """The machine's confidence in its first label: right on the whole, by far not exactly."""
    return 0.05 + 0.9 * special.expit(special.logit(choice.accuracy) + 0.8 * level)


def write_study(
    folder: Path, choice: ChoiceCell, methods: list[Method], rng: np.random.Generator
) -> Path:
    """responses.csv, and labels.csv for candidates; the path of the first."""
    rows = [
        row for name, m in zip("ab", methods, strict=True) for row in _rows(choice, name, m, rng)
    ]
    path = folder / "responses.csv"
    _write(path, rows)
    if choice.kind == "candidates":
        found = zip("ab", (scores_of(choice, m, rng) for m in methods), strict=True)
        _write(folder / "labels.csv", [row for name, s in found for row in _labels(name, s)])
    return path


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(rows[0])
        writer.writerows(row.values() for row in rows)


def _labels(method: str, scores: Scores) -> list[dict[str, object]]:
    return [
        {
            "feature": f"f{feature}",
            "method": method,
            "rank": place + 1,
            "text": label(method, feature, place),
            "confidence": scores.confidence[feature, place],
            "score_clap": scores.score[feature, place],
        }
        for feature in range(len(scores.score))
        for place in range(OPTIONS - 1)
    ]


def _rows(
    choice: ChoiceCell, name: str, method: Method, rng: np.random.Generator
) -> list[dict[str, object]]:
    side, n = method.side, len(method.hit)
    trial = _within(side.participant) + 1 + (1000 if name == "b" else 0)
    words = _own_words(name, method, choice, rng)
    rows = [
        _row(
            choice,
            name,
            int(side.participant[i]),
            int(side.feature[i]),
            int(trial[i]),
            int(method.chosen[i]),
            int(side.values[i]),
            words[i],
        )
        for i in range(n)
    ]
    return rows + [_repeated(row, choice, name, rng) for row in rows if row["trial"] in (1, 1001)]


def _within(participant: Ints) -> Ints:
    """Each rating's number within its listener, from 0."""
    order = np.argsort(participant, kind="stable")
    ordered = participant[order]
    number = np.empty(len(participant), dtype=np.int64)
    number[order] = np.arange(len(participant)) - np.searchsorted(ordered, ordered)
    return number


def _row(
    choice: ChoiceCell,
    name: str,
    person: int,
    feature: int,
    trial: int,
    place: int,
    rating: int,
    words: str,
) -> dict[str, object]:
    texts = [label(name, feature, p) for p in range(OPTIONS)]
    shown: dict[str, object] = {f"option_{p + 1}": text for p, text in enumerate(texts)}
    if choice.kind == "candidates":
        ranks = [*range(1, OPTIONS), ""]
        shown |= {f"option_rank_{p + 1}": rank for p, rank in enumerate(ranks)}
        sources = [name] * (OPTIONS - 1) + ["feature:elsewhere"]
        shown |= {f"option_source_{p + 1}": source for p, source in enumerate(sources)}
        shown["chosen_rank"] = ranks[place]
    else:
        shown["target_position"] = 1
    return {
        "participation": f"p{person}",
        "method": name,
        "feature": f"f{feature}",
        "trial": trial,
        "kind": "main",
        "repeat_of": "",
        **shown,
        "chosen_position": place + 1,
        "chosen_label": texts[place],
        "confidence": rating,
        "free_text": words,
    }


def _repeated(
    row: dict[str, object], choice: ChoiceCell, name: str, rng: np.random.Generator
) -> dict[str, object]:
    """The same trial again: the same choice and the same confidence as often as declared."""
    place, rating = int(str(row["chosen_position"])) - 1, int(str(row["confidence"]))
    if rng.random() >= SAME_CHOICE:
        place = (place + 1) % OPTIONS
    if rng.random() >= SAME_CONFIDENCE:
        rating = rating % 5 + 1
    person, feature = int(str(row["participation"])[1:]), int(str(row["feature"])[1:])
    trial = int(str(row["trial"]))
    again = _row(choice, name, person, feature, trial + 500, place, rating, "")
    return again | {"kind": "repeat", "repeat_of": trial}


def _own_words(
    name: str, method: Method, choice: ChoiceCell, rng: np.random.Generator
) -> list[str]:
    """Own words in some trials: the first label, that of another feature, or others."""
    n, features = len(method.hit), choice.cell.features
    kind, shift = rng.random(n), rng.integers(1, features, n)
    given = rng.random(n) < OWN_WORDS
    own = method.side.feature
    other = (own + shift) % features
    found = []
    for i in range(n):
        if not given[i]:
            found.append("")
        elif kind[i] < FIRST + OTHERS:
            found.append(label(name, int(own[i] if kind[i] < FIRST else other[i]), 0))
        else:
            found.append(f"{int(rng.integers(10**6)):06d}")
    return found
