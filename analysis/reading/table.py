"""Reads `responses.csv`, one row per response, and checks it before anything is computed.

Required are `participation, method, feature, trial, confidence`; each further column makes more
estimates possible, and `Responses.notes` says what is missing. Rows are numbered as a spreadsheet
shows them: the header is row 1, the first response row 2.

A row enters the estimates if its `kind` is main, its participation's status is among those asked
for (by default only `complete`), and a confidence was given. All other rows are counted.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.errors import AnalysisError, quote
from analysis.reading.columns import DEFAULT_STATUSES, LEVELS, REQUIRED, STATUSES, whole
from analysis.reading.text_files import decoded, read_bytes

METHOD_LIMIT = 40
"""More methods than this probably mean that columns were mixed up."""

RUN_SEPARATOR = "\x1f"
"""Separates run and feature in a feature's key; it occurs in no identifier."""

CELL_LIMIT = 1_000_000
"""Longest cell that is read, characters."""


@dataclass(frozen=True)
class Accounting:
    """How many rows of the file were used, and why the others were not."""

    n_rows: int
    rows_by_kind: dict[str, int]
    left_out_by_status: dict[str, tuple[int, int]]
    """Status to its (participations, main rows), which do not enter the estimates."""
    n_without_confidence: int
    """Main rows of counted participations without a confidence."""
    n_ratings: int
    n_participants: int
    n_features: int


@dataclass(frozen=True)
class Responses:
    """A checked table: `rows` is the whole file, `ratings` the part that enters the estimates."""

    name: str
    sha256: str
    rows: pd.DataFrame
    """Every row as text, with `row` (its number), `feature_key` and `rating` (0: none given)."""
    ratings: pd.DataFrame
    """The columns of `rows`, with a rating from 1 to 5."""
    accounting: Accounting
    statuses: tuple[str, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    """What must be read before any figure: whose answers these are, what was pooled."""

    @property
    def methods(self) -> list[str]:
        """The methods that have at least one rating, in alphabetical order."""
        return sorted(self.ratings["method"].unique())

    def of(self, method: str) -> pd.DataFrame:
        """The ratings of one method."""
        return self.ratings[self.ratings["method"] == method]

    def has(self, column: str) -> bool:
        """Whether the file has the column."""
        return column in self.rows.columns


def read_responses(path: Path, *, statuses: Sequence[str] = DEFAULT_STATUSES) -> Responses:
    """Read and check a table of responses; every refusal is an `AnalysisError` of one line."""
    _check_statuses(statuses)
    data = read_bytes(path)
    name = path.name
    rows = _frame(name, data)
    _check_levels(name, rows)
    _check_identifiers(name, rows)
    rows = _with_keys(rows)
    ratings, accounting = _ratings(rows, tuple(statuses))
    if ratings.empty:
        raise AnalysisError(f"{name}: {_why_nothing(accounting, statuses)}")
    return Responses(
        name=name,
        sha256=hashlib.sha256(data).hexdigest(),
        rows=rows,
        ratings=ratings,
        accounting=accounting,
        statuses=tuple(statuses),
        notes=tuple(_notes(rows)),
    )


def restricted(responses: Responses, keep: pd.Series[bool], why: str) -> Responses:
    """The table as if it had only the rows `keep`; `why` says what was left out.

    `AnalysisError` if none of them enters the estimates.
    """
    rows = responses.rows[keep].reset_index(drop=True)
    ratings, accounting = _ratings(rows, responses.statuses)
    if ratings.empty:
        reason = _why_nothing(accounting, responses.statuses)
        raise AnalysisError(f"{responses.name}: {reason}. {why}")
    return dataclasses.replace(responses, rows=rows, ratings=ratings, accounting=accounting)


def _check_statuses(statuses: Sequence[str]) -> None:
    for status in statuses:
        if status not in STATUSES:
            known = ", ".join(STATUSES)
            raise AnalysisError(f"unknown participation status {quote(status)}; known: {known}")


def _frame(name: str, data: bytes) -> pd.DataFrame:
    """The file's cells as text, and each row's number in the column `row`."""
    header, records = _records(name, data)
    _check_header(name, header)
    for number, record in records:
        if len(record) != len(header):
            raise AnalysisError(
                f"{name}: row {number} has {len(record)} cells where the header has {len(header)}"
            )
    if not records:
        raise AnalysisError(f"{name}: has a header but no responses: nothing to estimate")
    cells_of = zip(*(record for _, record in records), strict=True)
    columns = dict(zip(header, cells_of, strict=True))
    frame = pd.DataFrame({key: pd.Series(cells, dtype=object) for key, cells in columns.items()})
    frame["row"] = [number for number, _ in records]
    return frame


def _records(name: str, data: bytes) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header, and every record that is not blank, with its row number."""
    text = decoded(name, data)
    if "\0" in text:
        raise AnalysisError(f"{name}: contains a NUL character, so it is not a text file")
    csv.field_size_limit(CELL_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        records = [(number, record) for number, record in enumerate(reader, 1) if record]
    except csv.Error as error:
        raise AnalysisError(
            f"{name}: not valid CSV (RFC 4180) near line {reader.line_num}: {error}"
        ) from error
    if not records:
        raise AnalysisError(f"{name}: empty file")
    return records[0][1], records[1:]


def _check_header(name: str, header: list[str]) -> None:
    doubled = sorted({column for column in header if header.count(column) > 1})
    if doubled:
        raise AnalysisError(f"{name}: column {quote(doubled[0])} appears more than once")
    missing = [column for column in REQUIRED if column not in header]
    if missing:
        raise AnalysisError(
            f"{name}: column {', '.join(missing)} is missing; required are {', '.join(REQUIRED)}"
        )
    reserved = sorted({"row", "feature_key", "rating"} & set(header))
    if reserved:
        raise AnalysisError(
            f"{name}: column {reserved[0]} has a name that the analysis itself uses; rename it"
        )


def _check_levels(name: str, rows: pd.DataFrame) -> None:
    for column, level in LEVELS.items():
        if column not in rows.columns:
            continue
        bad = [value for value in rows[column].unique() if not level.allows(value)]
        if bad:
            row, value = _first(rows, rows[column].isin(bad), column)
            raise AnalysisError(
                f"{name}: row {row}: {column} is {quote(value)}, expected {level.meaning}"
            )


def _first(rows: pd.DataFrame, mask: pd.Series[bool], column: str) -> tuple[int, str]:
    hit = rows[mask].iloc[0]
    return int(hit["row"]), str(hit[column])


def _check_identifiers(name: str, rows: pd.DataFrame) -> None:
    """Participation, trial, method and feature must be filled; no trial may occur twice."""
    main = _is_main(rows)
    for column in ("participation", "trial", "method", "feature"):
        mask = rows[column].str.strip() == ""
        if column in ("method", "feature"):
            mask &= main
        if mask.any():
            row, _ = _first(rows, mask, column)
            raise AnalysisError(f"{name}: row {row}: {column} is empty")
    _check_doubles(name, rows)
    n_methods = rows.loc[main, "method"].nunique()
    if n_methods > METHOD_LIMIT:
        raise AnalysisError(
            f"{name}: {n_methods} methods, over {METHOD_LIMIT}: is method the right column?"
        )


def _check_doubles(name: str, rows: pd.DataFrame) -> None:
    key = pd.DataFrame(
        {
            "participation": rows["participation"],
            "trial": rows["trial"].map(whole),
            "kind": rows["kind"] if "kind" in rows.columns else "main",
        }
    )
    doubled = key.duplicated()
    if doubled.any():
        second = rows[doubled].iloc[0]
        same = (key == key[doubled].iloc[0]).all(axis=1)
        first = rows[same].iloc[0]
        raise AnalysisError(
            f"{name}: row {second['row']}: trial {quote(second['trial'])} of participation "
            f"{quote(second['participation'])} is already in row {first['row']}"
        )


def _is_main(rows: pd.DataFrame) -> pd.Series[bool]:
    if "kind" in rows.columns:
        return rows["kind"] == "main"
    return pd.Series(True, index=rows.index)


def _with_keys(rows: pd.DataFrame) -> pd.DataFrame:
    """Add `feature_key`, unique across runs, and `rating`, the confidence as a number (0: none)."""
    key = rows["feature"]
    if "run" in rows.columns and rows["run"].nunique() > 1:
        key = rows["run"] + RUN_SEPARATOR + rows["feature"]
    rating = rows["confidence"].map(lambda text: whole(text) or 0).astype("int64")
    return rows.assign(feature_key=key, rating=rating)


def _ratings(rows: pd.DataFrame, statuses: tuple[str, ...]) -> tuple[pd.DataFrame, Accounting]:
    main = rows[_is_main(rows)]
    kinds = rows["kind"] if "kind" in rows.columns else pd.Series("main", index=rows.index)
    counted = main
    left_out: dict[str, tuple[int, int]] = {}
    if "participation_status" in rows.columns:
        counted = main[main["participation_status"].isin(statuses)]
        rest = main[~main["participation_status"].isin(statuses)]
        for status, group in rest.groupby("participation_status", sort=True):
            left_out[str(status)] = (group["participation"].nunique(), len(group))
    rated = counted[counted["rating"] > 0].reset_index(drop=True)
    accounting = Accounting(
        n_rows=len(rows),
        rows_by_kind={str(k): int(n) for k, n in kinds.value_counts().sort_index().items()},
        left_out_by_status=left_out,
        n_without_confidence=len(counted) - len(rated),
        n_ratings=len(rated),
        n_participants=rated["participation"].nunique(),
        n_features=rated["feature_key"].nunique(),
    )
    return rated, accounting


def accounting_of(before: Accounting, kept: pd.DataFrame) -> Accounting:
    """The accounting after exclusions, when only the rows `kept` enter the estimates."""
    return dataclasses.replace(
        before,
        n_ratings=len(kept),
        n_participants=kept["participation"].nunique(),
        n_features=kept["feature_key"].nunique(),
    )


def _why_nothing(accounting: Accounting, statuses: Iterable[str]) -> str:
    if not accounting.rows_by_kind.get("main"):
        return "no response of kind main: nothing to estimate"
    if accounting.n_without_confidence:
        return "no main response has a confidence: nothing to estimate"
    return f"no main response of a participation with status {', '.join(statuses)}"


def _notes(rows: pd.DataFrame) -> Iterable[str]:
    if "kind" not in rows.columns:
        yield "There is no column kind: every row is taken as a main trial."
    if "participation_status" not in rows.columns:
        yield "There is no column participation_status: every participation is taken as complete."
    if "run" not in rows.columns:
        yield "There is no column run: features are told apart by their identifier alone."
    if {"chosen_rank", "chosen_label"}.isdisjoint(rows.columns):
        yield "There is no column chosen_label or chosen_rank: choices cannot be described."
