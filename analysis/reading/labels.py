"""`labels.csv` beside the table: the methods' labels, and the scores that machines gave them.

Columns: run, sae, feature, method, rank, text, confidence, and one per score. A *score* is a column
whose name begins with `score_`, or any other column that has only numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.arrays import Floats
from analysis.errors import AnalysisError, quote
from analysis.reading.columns import whole
from analysis.reading.companions import decimal, read_table
from analysis.reading.table import RUN_SEPARATOR, Responses, runs_of

IDENTITY = ("run", "sae", "feature", "method", "rank", "text", "status")
PREFIX = "score_"

Key = tuple[str, str, int]
"""Feature key, method, rank."""


@dataclass(frozen=True)
class Labels:
    """The texts and scores of `labels.csv`, by (feature key, method, rank)."""

    texts: Mapping[Key, str]
    by_name: Mapping[str, Mapping[Key, float]]
    """Score to its values; `confidence` is the method's own."""

    @property
    def names(self) -> list[str]:
        """Scores other than the machine's own confidence."""
        return [name for name in self.by_name if name != "confidence"]


def read_labels(folder: Path, responses: Responses) -> Labels | None:
    """The labels beside the table; None where there is no `labels.csv`."""
    rows = read_table(folder, "labels.csv", ("feature", "method", "rank"))
    if rows is None:
        return None
    known = runs_of(responses.rows)
    run_of = _run_of(rows, responses) if len(known) > 1 else None
    found: dict[str, dict[Key, float]] = {}
    texts: dict[Key, str] = {}
    columns = _score_columns(rows)
    for number, row in enumerate(rows, start=2):
        rank = whole(row["rank"])
        if rank is None or (known and row.get("run") and row["run"] not in known):
            continue
        method = row["method"].strip()
        feature = row["feature"] if run_of is None else run_of(row) + RUN_SEPARATOR + row["feature"]
        if row.get("text"):
            texts[feature, method, rank] = row["text"]
        for column in columns:
            if row[column] != "":
                value = decimal("labels.csv", number, column, row[column])
                name = column.removeprefix(PREFIX)
                found.setdefault(name, {})[feature, method, rank] = value
    return Labels(texts, found)


def _run_of(rows: list[dict[str, str]], responses: Responses) -> Callable[[dict[str, str]], str]:
    """The run of a label's row where the table has several: its own, or that of its feature."""
    if rows and "run" in rows[0]:
        return lambda row: row["run"]
    named = responses.rows[responses.rows["run"] != ""]
    runs = named.groupby("feature")["run"].agg(lambda of: sorted(set(of)))
    for feature, of in runs.items():
        if len(of) > 1:
            raise AnalysisError(
                f"labels.csv: there is no column run, and feature {quote(str(feature))} is in the "
                f"runs {', '.join(of)} of the table"
            )
    return lambda row: runs[row["feature"]][0] if row["feature"] in runs.index else ""


def _score_columns(rows: list[dict[str, str]]) -> list[str]:
    """The method's confidence, columns named `score_…`, and others that have only numbers."""
    named = [c for c in (rows[0] if rows else ()) if c not in IDENTITY]
    return [
        c
        for c in named
        if c == "confidence" or c.startswith(PREFIX) or all(_numeric(r[c]) for r in rows)
    ]


def _numeric(text: str) -> bool:
    try:
        return text == "" or math.isfinite(float(text))
    except ValueError:
        return False


def lookup(frame: pd.DataFrame, values: Mapping[Key, float], method: str, rank: object) -> Floats:
    """The score of one label per rating, [rating]; NaN where there is none.

    `rank` is the name of a column with the label's rank, or one rank for all ratings.
    """
    ranks = frame[rank] if isinstance(rank, str) else [rank] * len(frame)
    return np.array(
        [
            values.get((feature, method, int(r)), math.nan) if pd.notna(r) else math.nan
            for feature, r in zip(frame["feature_key"], ranks, strict=True)
        ],
        dtype=np.float64,
    )
