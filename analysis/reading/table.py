"""Reads `responses.csv`, one row per response, and checks it before anything is computed.

Required are `participation, method, feature, trial, confidence`; each further column makes more
estimates possible, and `Responses.notes` says what is missing. Rows are numbered as a spreadsheet
shows them: the header is row 1, the first response row 2.

A row enters the estimates if its `kind` is main, its participation's status is among those asked
for (by default only `complete`), a confidence was given, and it is the participant's first rating
of the feature under the method (of a pair or an intruder trial: of these clips). All other rows are
counted. `analysis.reading.trial_kinds` keeps label trials apart from pairs and intruder trials.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.errors import AnalysisError, quote
from analysis.reading.columns import (
    DEFAULT_STATUSES,
    HIGHEST,
    INTRUDER,
    LEVELS,
    LOWEST,
    PAIR,
    REQUIRED,
    STATUSES,
    TIMES,
    time_of,
    whole,
)
from analysis.reading.mapping.apply import mapped
from analysis.reading.mapping.scales import Scale
from analysis.reading.text_files import decoded, read_bytes

METHOD_LIMIT = 40
"""More methods than this probably mean that columns were mixed up."""

NO_METHOD = "(no method)"
"""Stands for the method of a trial that has none."""

RUN_SEPARATOR = "\x1f"
"""Separates run and feature in a feature's key; it occurs in no identifier."""

ENOUGH_TO_USE_THE_SCALE = 50
"""With so many rows and no rating at the top of the scale, its levels may have been others."""

CLIP = re.compile(r"clip_[1-5]")

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
    n_second_ratings: int = 0
    """Ratings of a feature that the participant had already rated under the same method."""
    by_method: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    """Method to what entered and what did not: `participations` with a main answer, those of them
    `not_counted` because of their status, the others' main `responses`, and how many of these are
    `without_confidence`."""


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
    scale: Scale | None = None
    """Another scale than that of five levels, whose ratings then are its `inner` numbers."""
    none_fits: pd.DataFrame | None = None
    """The answers "none of these fits", where they were taken out of `ratings` (`trial_kinds`)."""

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


def read_responses(
    path: Path, *, statuses: Sequence[str] = DEFAULT_STATUSES, mapping: Path | None = None
) -> Responses:
    """Read and check a table of responses; every refusal is an `AnalysisError` of one line.

    `mapping`: the file that says what the columns of another platform's table mean.
    """
    _check_statuses(statuses)
    data = read_bytes(path)
    name = path.name
    said: tuple[str, ...] = ()
    scale: Scale | None = None
    if mapping is None:
        rows = _frame(name, data)
    else:
        made = mapped(path, mapping)
        rows, said = _frame(name, made.data), made.notes
        scale = None if made.scale.is_five_levels else made.scale
    _check_levels(name, rows, but=() if scale is None else ("confidence",))
    _check_identifiers(name, rows)
    given = rows["method"]
    rows = _with_keys(rows.assign(method=given.str.strip()))
    _check_spelling(name, rows)
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
        notes=(*said, *_notes(rows), *_notes_on_cells(rows, given, scale)),
        scale=scale,
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
        # A row of commas only, as spreadsheets leave at the end, is as blank as an empty one.
        records = [
            (number, record)
            for number, record in enumerate(reader, 1)
            if any(cell.strip() for cell in record)
        ]
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
            f"{_separated_by(header)}"
        )
    reserved = sorted({"row", "feature_key", "rating"} & set(header))
    if reserved:
        raise AnalysisError(
            f"{name}: column {reserved[0]} has a name that the analysis itself uses; rename it"
        )


SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def _separated_by(header: list[str]) -> str:
    """What the columns seem to be separated by, if it is not commas; for the end of a refusal."""
    if header[0].startswith("sep="):
        return ". The first line, which is for Excel, is not CSV: delete it"
    if len(header) > 1:
        return ""
    named = [words for sign, words in SEPARATORS.items() if sign in header[0]]
    return f". Are its columns separated by {named[0]}? Save it with commas" if named else ""


def _check_levels(name: str, rows: pd.DataFrame, but: Sequence[str] = ()) -> None:
    for column, level in LEVELS.items():
        if column not in rows.columns or column in but:
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
        if column == "method":
            # An intruder trial has no label, so that it needs no method.
            mask &= type_of(rows) != INTRUDER
        if mask.any():
            row, _ = _first(rows, mask, column)
            raise AnalysisError(f"{name}: row {row}: {column} is empty")
    _check_doubles(name, rows)
    n_methods = rows.loc[main, "method"].nunique()
    if n_methods > METHOD_LIMIT:
        raise AnalysisError(
            f"{name}: {n_methods} methods, over {METHOD_LIMIT}: is method the right column?"
        )


def _check_spelling(name: str, rows: pd.DataFrame) -> None:
    """Names of methods that differ only in case are probably one method, and are refused."""
    spelled: dict[str, str] = {}
    for method in sorted(rows["method"].unique()):
        other = spelled.setdefault(method.casefold(), method)
        if other != method:
            raise AnalysisError(
                f"{name}: methods {quote(other)} and {quote(method)} differ only in upper and "
                "lower case: are they one method? Spell them alike, or rename one"
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


def type_of(rows: pd.DataFrame) -> pd.Series[str]:
    """Each row's kind of trial; empty where the table does not say, as for label trials."""
    if "trial_type" in rows.columns:
        return rows["trial_type"]
    return pd.Series("", index=rows.index, dtype=object)


def of_clips(rows: pd.DataFrame) -> pd.Series[bool]:
    """Which rows are pairs and intruder trials: their answer is a clip, not a label."""
    return type_of(rows).isin((PAIR, INTRUDER))


def _with_keys(rows: pd.DataFrame) -> pd.DataFrame:
    """Add `feature_key`, unique across runs, and `rating`, the confidence as a number (0: none)."""
    key = rows["feature"]
    if len(runs_of(rows)) > 1:
        key = rows["run"] + RUN_SEPARATOR + rows["feature"]
    numbers = rows["confidence"].map(lambda text: float(text) if text else 0.0)
    rating = numbers.astype("int64") if (numbers % 1 == 0).all() else numbers
    return rows.assign(feature_key=key, rating=rating)


def runs_of(rows: pd.DataFrame) -> set[str]:
    """The runs that are named; practice rows can have none."""
    return set(rows["run"]) - {""} if "run" in rows.columns else set()


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
    second = _second_ratings(rated)
    n_without = len(counted) - len(rated)
    rated = rated[~second].reset_index(drop=True)
    accounting = Accounting(
        n_rows=len(rows),
        rows_by_kind={str(k): int(n) for k, n in kinds.value_counts().sort_index().items()},
        left_out_by_status=left_out,
        n_without_confidence=n_without,
        n_ratings=len(rated),
        n_participants=rated["participation"].nunique(),
        n_features=rated["feature_key"].nunique(),
        n_second_ratings=int(second.sum()),
        by_method=_by_method(main, counted),
    )
    return rated, accounting


def _second_ratings(rated: pd.DataFrame) -> pd.Series[bool]:
    """Whether a row is not the first, by trial, of its participant, method and feature."""
    order, shown = rated["trial"].map(whole), _shown(rated)
    in_order = rated.assign(order=order, shown=shown).sort_values("order", kind="stable")
    once = ["participation", "method", "feature_key", "shown"]
    return in_order.duplicated(once).reindex(rated.index)


def _shown(rows: pd.DataFrame) -> pd.Series[str]:
    """What tells two pairs, or intruder trials, of one feature apart: their clips, in any order.

    The same for all label trials of a feature, however its clips were drawn.
    """
    apart = rows[of_clips(rows)]
    clips = apart[[c for c in apart.columns if CLIP.fullmatch(c)]].to_numpy()
    kinds = zip(type_of(apart), clips, strict=True)
    named = [RUN_SEPARATOR.join([kind, *sorted(row)]) for kind, row in kinds]
    return pd.Series(named, index=apart.index, dtype=object).reindex(rows.index, fill_value="")


def _by_method(main: pd.DataFrame, counted: pd.DataFrame) -> dict[str, dict[str, int]]:
    found = {}
    for method in sorted(main["method"].unique()):
        own, kept = main[main["method"] == method], counted[counted["method"] == method]
        people, stayed = own["participation"].nunique(), kept["participation"].nunique()
        found[str(method) or NO_METHOD] = {
            "participations": people,
            "not_counted": people - stayed,
            "responses": len(kept),
            "without_confidence": int((kept["rating"] == 0).sum()),
        }
    return found


def accounting_of(before: Accounting, kept: pd.DataFrame) -> Accounting:
    """The accounting after exclusions, when only the rows `kept` enter the estimates."""
    return dataclasses.replace(
        before,
        n_ratings=len(kept),
        n_participants=kept["participation"].nunique(),
        n_features=kept["feature_key"].nunique(),
    )


def accounting_within(
    rows: pd.DataFrame, statuses: tuple[str, ...], kept: pd.DataFrame
) -> Accounting:
    """The accounting of some rows, of which `kept` enter the estimates."""
    return accounting_of(_ratings(rows, statuses)[1], kept)


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
    if not of_clips(rows).all() and {"chosen_rank", "chosen_label"}.isdisjoint(rows.columns):
        yield "There is no column chosen_label or chosen_rank: choices cannot be described."


def _notes_on_cells(
    rows: pd.DataFrame, methods: pd.Series[str], scale: Scale | None
) -> Iterable[str]:
    """Notes on cells that were read otherwise than they stand, or look wrong."""
    trimmed = int((methods != rows["method"]).sum())
    if trimmed:
        yield f"Blanks around the method’s name were removed in {trimmed} rows."
    for column in TIMES:
        if column in rows.columns:
            n = sum(text != "" and time_of(text) is None for text in rows[column])
            if n:
                yield f"{column} is not an ISO 8601 time in {n} rows; they count as without one."
    if set(TIMES) <= set(rows.columns):
        times = ([time_of(text) for text in rows[column]] for column in TIMES)
        n = sum(a is not None and b is not None and b < a for a, b in zip(*times, strict=True))
        if n:
            yield f"{n} rows were answered before they were shown: were clocks changed?"
    found = float(rows["rating"].max())
    # A slider's very end is seldom met.
    few_levels = scale is None or scale.is_ordinal
    if few_levels and found < HIGHEST and len(rows) >= ENOUGH_TO_USE_THE_SCALE:
        low, high = (LOWEST, HIGHEST) if scale is None else scale.ends
        word, highest = ("confidence", found) if scale is None else ("rating", scale.outer(found))
        yield (
            f"No {word} is above {highest:g}. Every figure takes the scale as {low:g} to "
            f"{high:g}: was it that?"
        )
