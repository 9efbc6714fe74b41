"""Keeps label trials, pairs and intruder trials of one table apart.

Confidence that a label fits, that one clip has more of it than another, and that a clip is the
intruder are three quantities, so that no estimate is over more than one of them. An answer "none of
these fits" chose no label: its confidence is in that, and it is left out of every number about the
confidence in a chosen label. In the shares of right answers and of first labels it counts as
neither (`estimates.choices.outcomes`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from analysis.errors import AnalysisError, quote
from analysis.reading.columns import (
    CHOSEN,
    INTRUDER,
    NO_DIFFERENCE,
    NONE_OF_THESE,
    PAIR,
    ROLES,
    number,
    whole,
)
from analysis.reading.table import Responses, accounting_within, type_of

NEEDED = (
    *(f"clip_role_{i}" for i in (1, 2)),
    *(f"clip_strength_{i}" for i in (1, 2)),
    *(f"clip_intervention_{i}" for i in (1, 2)),
)
"""Columns without which pairs cannot be told apart."""


@dataclass(frozen=True)
class Kinds:
    """One table's trials; None for a kind of which none entered the estimates."""

    labels: Responses | None
    pairs: Responses | None
    intruders: Responses | None


def kinds_of(responses: Responses) -> Kinds:
    """The table's kinds of trials, each as a table of its own; refuses what cannot be a pair."""
    labels = _only(responses, but=(PAIR, INTRUDER))
    pairs, intruders = (_only(responses, kind) for kind in (PAIR, INTRUDER))
    if pairs is not None:
        _check_pairs(pairs)
    return Kinds(None if labels is None else _chosen(labels), pairs, intruders)


def _only(responses: Responses, kind: str = "", but: tuple[str, ...] = ()) -> Responses | None:
    """The rows of one kind, or of all kinds `but` some; None if no rating is of it."""
    keep, rated = (
        ~type_of(f).isin(but) if but else type_of(f) == kind
        for f in (responses.rows, responses.ratings)
    )
    if not rated.any():
        return None
    if keep.all():
        return responses
    rows = responses.rows[keep].reset_index(drop=True)
    ratings = responses.ratings[rated].reset_index(drop=True)
    accounting = accounting_within(rows, responses.statuses, ratings)
    return dataclasses.replace(responses, rows=rows, ratings=ratings, accounting=accounting)


def _chosen(labels: Responses) -> Responses | None:
    """The label trials, with "none of these fits" apart; None if nobody chose a label."""
    if not labels.has("answer"):
        return labels
    none = labels.ratings["answer"] == NONE_OF_THESE
    if not none.any():
        return labels
    kept = labels.ratings[~none].reset_index(drop=True)
    if kept.empty:
        return None
    none_fits = labels.ratings[none].reset_index(drop=True)
    return dataclasses.replace(
        labels,
        ratings=kept,
        accounting=accounting_within(labels.rows, labels.statuses, kept),
        notes=(*labels.notes, _said(len(none_fits), len(labels.ratings))),
        warnings=(*labels.warnings, *_lost(kept, none_fits)),
        none_fits=none_fits,
    )


def _said(n: int, of: int) -> str:
    return (
        f"{n} of {of} answers are “none of these fits”. They count as not right and as no first "
        "label, and are in no number about the confidence in a chosen label."
    )


def _lost(kept: pd.DataFrame, none_fits: pd.DataFrame) -> Iterator[str]:
    """A warning for each method under which nobody chose a label."""
    for method in sorted(set(none_fits["method"]) - set(kept["method"])):
        yield f"Every answer to {method} is “none of these fits”: no table has a column for it."


def _check_pairs(pairs: Responses) -> None:
    """Every pair must say what its clips are, and its answer must be one that a pair can have."""
    missing = [column for column in NEEDED if not pairs.has(column)]
    if missing:
        raise AnalysisError(
            f"{pairs.name}: column {missing[0]} is missing; trials of the type pair need "
            f"{', '.join(NEEDED)}"
        )
    for row in pairs.ratings.to_dict("records"):
        if problem := _problem({str(key): cell for key, cell in row.items()}):
            raise AnalysisError(f"{pairs.name}: row {row['row']}: {problem}")


def _problem(row: dict[str, str | int]) -> str:
    """What is wrong with a pair; empty where nothing is."""
    cells = {key: str(cell) for key, cell in row.items()}
    for i in (1, 2):
        role, strength = cells[f"clip_role_{i}"], cells[f"clip_strength_{i}"]
        if role not in ROLES:
            return f"clip_role_{i} is {quote(role)}, expected one of {', '.join(ROLES)}"
        if number(strength) is None and role in ("steered", "random"):
            return f"clip_strength_{i} is empty for a {role} clip: which α?"
    answer, chosen = answer_of(pd.Series(cells)), cells.get("chosen_position", "")
    if answer == NONE_OF_THESE:
        return "answer is none_of_these, which a pair does not have (no_difference?)"
    if answer == CHOSEN and whole(chosen) not in (1, 2):
        return f"chosen_position is {quote(chosen)}, expected 1 or 2 for a pair"
    if answer == NO_DIFFERENCE and chosen:
        return f"answer is no_difference, but chosen_position is {quote(chosen)}"
    return ""


def answer_of(row: pd.Series[str]) -> str:
    """A trial's answer; a table without the column `answer` has only choices."""
    return str(row.get("answer", "")) or CHOSEN
