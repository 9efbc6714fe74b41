"""What a file of an export and a column of it are, and how a row's values become cells."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, TypeVar

from studyapp.exports.cells import cell, spreadsheet_safe, time_cell

Row = TypeVar("Row", contravariant=True)


@dataclass(frozen=True)
class Column(Generic[Row]):
    """One column of a file."""

    name: str
    type: str
    """text, integer, number, boolean or time."""
    meaning: str
    value: Callable[[Row], Any]
    unit: str = ""
    levels: tuple[str, ...] = ()
    """Every possible value, if known; an empty cell means "does not apply"."""


@dataclass(frozen=True)
class File(Generic[Row]):
    """A file of an export: its columns and the meaning of a row."""

    name: str
    row_is: str
    columns: Sequence[Column[Row]]

    def header(self) -> list[str]:
        """Return the names of the columns."""
        return [column.name for column in self.columns]

    def cells(self, row: Row) -> list[Any]:
        """Return one row with exact values; times are text, and `csv` writes numbers unrounded."""
        return [write(row) for write in self.writers]

    def safe_cells(self, row: Row) -> list[Any]:
        """Return one row whose texts no spreadsheet takes for formulas; the rest is unchanged."""
        return [
            spreadsheet_safe(made) if isinstance(made, str) and column.type == "text" else made
            for column, made in zip(self.columns, self.cells(row), strict=True)
        ]

    def record(self, row: Row) -> dict[str, Any]:
        """Return one row as names and values; times are text, missing values are None."""
        return {
            column.name: cell(found) if isinstance(found := column.value(row), datetime) else found
            for column in self.columns
        }

    @cached_property
    def writers(self) -> list[Callable[[Row], Any]]:
        """Each column's reader; times and booleans are converted to the text of their cells."""
        return [_writer(column) for column in self.columns]


def _writer(column: Column[Row]) -> Callable[[Row], Any]:
    read = column.value
    if column.type == "time":
        return lambda row: time_cell(read(row))
    if column.type == "boolean":
        return lambda row: cell(read(row))
    return read
