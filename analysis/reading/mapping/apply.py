"""A table and its mapping turned into the rows of `responses.csv`."""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as AMapping
from dataclasses import dataclass
from pathlib import Path

from analysis.errors import AnalysisError, quote
from analysis.reading.columns import LEVELS, LOWEST, REQUIRED, whole
from analysis.reading.mapping.mapping import FURTHER, PLACE, Joined, Mapping, read_mapping
from analysis.reading.mapping.scales import Scale, number_in
from analysis.reading.mapping.tables import Table, read_table

NOT_COMPLETE = "active"
MILLISECONDS = ("response_ms", "hidden_ms")


@dataclass(frozen=True)
class Mapped:
    """A table as `responses.csv`, and what must be said of how it was read."""

    data: bytes
    notes: tuple[str, ...]
    scale: Scale
    """That of the ratings; `confidence` holds its `inner` numbers, from 1 to 5."""


@dataclass(frozen=True)
class Place:
    """The columns of one response in a wide table, and what their names say of it."""

    columns: AMapping[str, str]
    said: AMapping[str, str]


def mapped(table_path: Path, mapping_path: Path) -> Mapped:
    """The table that the mapping makes; every refusal is an `AnalysisError` of one line."""
    mapping = read_mapping(mapping_path)
    table = read_table(table_path)
    notes = [*table.notes]
    for one in mapping.join:
        table, said = _joined(table, one, table_path.parent)
        notes += said
    _check_columns(table, mapping, mapping_path.name)
    counted = [
        (row, line)
        for row, line in zip(table.rows, table.lines, strict=True)
        if _counts(row, mapping)
    ]
    rows = list(_responses(table, counted, mapping))
    if not rows:
        raise AnalysisError(
            f"{table.name}: no row is left by {mapping_path.name}; do [keep] and [leave_out] name "
            "the right cells?"
        )
    _number(rows, table.name)
    if left := len(table.rows) - len(counted):
        notes.append(
            f"{left} of {len(table.rows)} rows were left out by [keep] and [leave_out] of "
            f"{mapping_path.name}."
        )
    notes.append(f"The table was read by {mapping_path.name}: {_how(mapping)}")
    return Mapped(_as_csv(rows), tuple(notes), mapping.scale)


def _how(mapping: Mapping) -> str:
    said = "; ".join(f"{name} from {own}" for name, own in mapping.columns.items())
    return f"{said}; the rating is {mapping.scale.meaning}."


def _joined(table: Table, one: Joined, folder: Path) -> tuple[Table, list[str]]:
    """The table with the columns of another file beside it, where its key agrees."""
    other = read_table(folder / one.file)
    for name, column, found in ((table.name, one.on, table), (other.name, one.key, other)):
        if column not in found.columns:
            raise AnalysisError(f"[[join]]: {name} has no column {quote(column)}")
    by_key: dict[str, AMapping[str, str]] = {}
    for row, line in zip(other.rows, other.lines, strict=True):
        if row[one.key] in by_key:
            raise AnalysisError(
                f"[[join]]: {other.name} has {quote(row[one.key])} again in row {line}"
            )
        by_key[row[one.key]] = row
    more = [name for name in other.columns if name != one.key]
    both = sorted(set(more) & set(table.columns))
    if both:
        raise AnalysisError(f"[[join]]: {quote(both[0])} is a column of both files: rename one")
    empty = dict.fromkeys(more, "")
    rows = tuple(
        {**row, **{name: by_key.get(row[one.on], empty)[name] for name in more}}
        for row in table.rows
    )
    lost = {row[one.on] for row in table.rows} - set(by_key)
    said = [*other.notes]
    if lost:
        said.append(f"{other.name} has no row for {len(lost)} of the keys in {one.on}.")
    return Table(table.name, (*table.columns, *more), rows, table.lines, table.notes), said


def _check_columns(table: Table, mapping: Mapping, where: str) -> None:
    named = [own for own in mapping.columns.values() if "{" not in own]
    for own in (*named, *mapping.keep, *mapping.leave_out):
        if own not in table.columns:
            raise AnalysisError(
                f"{where}: {table.name} has no column {quote(own)}; it has "
                f"{', '.join(table.columns[:8])}{' …' if len(table.columns) > 8 else ''}"
            )


def _places(table: Table, mapping: Mapping) -> list[Place]:
    """The responses that one row of the table holds: one in a long table."""
    if not mapping.is_wide:
        return [Place(mapping.columns, {})]
    pattern = mapping.columns["confidence"]
    found, unmet, named = [], set(mapping.items), mapping.named
    for column in table.columns:
        fit = regex_of(pattern).fullmatch(column)
        if fit is None or column in named:
            continue
        if "item" in fit.groupdict() and fit["item"] not in mapping.items:
            continue
        said = dict(fit.groupdict())
        unmet.discard(said.get("item", ""))
        own = {name: _filled(name, text, said, table) for name, text in mapping.columns.items()}
        item = mapping.items.get(said.pop("item", ""), {})
        found.append(Place(own, {**said, **item}))
    if not found:
        raise AnalysisError(f"{table.name}: no column fits {quote(pattern)}")
    if unmet and "{item}" in pattern:
        missing = pattern.replace("{item}", min(unmet))
        raise AnalysisError(f"[items]: {table.name} has no column {quote(missing)}")
    return found


def regex_of(pattern: str) -> re.Pattern[str]:
    """What a column's name must be to fit a name with places."""
    parts = PLACE.split(pattern)
    # Of several places each but the last takes as little as it can: `essentia_layer3_7`.
    last = len(parts) - 2
    return re.compile("".join(
        re.escape(part) if place % 2 == 0
        else rf"(?P<{part}>\d+)" if part == "trial"
        else f"(?P<{part}>.+)" if place == last else f"(?P<{part}>.+?)"
        for place, part in enumerate(parts)
    ))  # fmt: skip


def _filled(name: str, pattern: str, said: AMapping[str, str], table: Table) -> str:
    own = PLACE.sub(lambda one: said[one[1]], pattern)
    if own not in table.columns:
        raise AnalysisError(f"{table.name}: has no column {quote(own)}, which gives {name}")
    return own


def _counts(row: AMapping[str, str], mapping: Mapping) -> bool:
    return all(row[own] in cells for own, cells in mapping.keep.items()) and not any(
        row[own] in cells for own, cells in mapping.leave_out.items()
    )


def _responses(
    table: Table, rows: Sequence[tuple[AMapping[str, str], int]], mapping: Mapping
) -> Iterator[dict[str, str]]:
    places = _places(table, mapping)
    for row, line in rows:
        for place in places:
            # What a wide table does not have an answer to was not asked.
            if mapping.is_wide and not row[place.columns["confidence"]]:
                continue
            yield _response(table.name, line, row, place, mapping)


def _response(
    name: str, line: int, row: AMapping[str, str], place: Place, mapping: Mapping
) -> dict[str, str]:
    response = {**mapping.constants, **place.said}
    response |= {column: row[own] for column, own in place.columns.items()}
    response["confidence"] = _rating(
        response["confidence"], mapping.scale, f"{name}: row {line}: {place.columns['confidence']}"
    )
    if mapping.complete and "participation_status" in response:
        whole_one = response["participation_status"] in mapping.complete
        response["participation_status"] = "complete" if whole_one else NOT_COMPLETE
    for column in ("participation", "method", "feature"):
        if not response.get(column):
            raise AnalysisError(f"{name}: row {line}: {column} is empty")
    for column in MILLISECONDS:
        number = number_in(response.get(column, ""))
        # jsPsych writes null where there was no time limit, and fractions of milliseconds.
        if column in response:
            response[column] = "" if number is None or number < 0 else str(round(number))
    _check_levels(response, place, f"{name}: row {line}")
    return response


def _check_levels(response: AMapping[str, str], place: Place, where: str) -> None:
    """Refuse a cell by the number of its row in the table, before it is one of many."""
    for column, level in LEVELS.items():
        cell = response.get(column)
        checked = column not in ("trial", "confidence")  # numbered below; read above
        if cell is not None and checked and not level.allows(cell):
            own = place.columns.get(column, column)
            raise AnalysisError(f"{where}: {own} is {quote(cell)}, expected {level.meaning}")


def _rating(cell: str, scale: Scale, where: str) -> str:
    """A rating as a number from 1 to 5, whole if the scale has five levels."""
    if not cell:
        return ""
    step = scale.step_of(cell)
    if step is None:
        raise AnalysisError(f"{where} is {quote(cell)}, expected {scale.meaning}")
    if scale.is_ordinal and not step.is_integer():
        raise AnalysisError(f"{where} is {quote(cell)}, between two levels of the scale")
    return str(LOWEST + int(step)) if scale.is_five_levels else repr(scale.inner(step))


def _number(rows: list[dict[str, str]], name: str) -> None:
    """Trials from 1 per participation: the table's own where they tell them apart, else the order,
    by the table's number if there is one."""
    of_person: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        of_person[row["participation"]].append(row)
    kept = all(_apart(own) for own in of_person.values())
    if not kept and any(row.get("repeat_of") for row in rows):
        raise AnalysisError(
            f"{name}: repeat_of names trials, so that each person's must be numbered from 1, every "
            "number once per kind"
        )
    for own in of_person.values():
        order = own if kept else sorted(own, key=lambda row: whole(row.get("trial", "")) or 0)
        for number, row in enumerate(order, 1):
            row["trial"] = row["trial"] if kept else str(number)


def _apart(rows: list[dict[str, str]]) -> bool:
    """Whether the trials of one person are whole numbers from 1 that occur once per kind."""
    numbers = [(whole(row.get("trial", "")) or 0, row.get("kind", "")) for row in rows]
    return all(number > 0 for number, _ in numbers) and len(set(numbers)) == len(numbers)


def _as_csv(rows: list[dict[str, str]]) -> bytes:
    present = {name for row in rows for name in row}
    names = [name for name in (*REQUIRED, *FURTHER) if name in present]
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, names, extrasaction="ignore", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()
