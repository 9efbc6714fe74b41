"""How a frozen dataclass is a Parquet table: `table_of` and `records_from` convert either way.

The schema is derived from the fields, and the meaning and unit of each column are stored in the
file, so changing one changes the bytes of every run. `pipeline.store.tables` and
`pipeline.store.steering_tables` have all tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, field, fields
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    import pyarrow as pa

Record = TypeVar("Record")

ROWS_AT_ONCE = 1024
"""Rows of a table that are converted together."""


def column(meaning: str, unit: str = "", *, default: Any = MISSING) -> Any:
    """A column of a table, with its meaning and, if it has one, its unit."""
    metadata = {"meaning": meaning, "unit": unit}
    if default is MISSING:
        return field(metadata=metadata)
    return field(metadata=metadata, default=default)


def schema_of(cls: type) -> pa.Schema:
    """The Parquet schema of a record class, with meaning and unit in each field's metadata."""
    import pyarrow as pa

    hints = get_type_hints(cls)
    return pa.schema(
        [
            pa.field(f.name, _arrow_type(hints[f.name]), metadata=dict(f.metadata))
            for f in fields(cls)
        ]
    )


def table_of(cls: type[Record], records: Iterable[Record]) -> pa.Table:
    """The records as a Parquet table."""
    import pyarrow as pa

    rows = list(records)
    names = [f.name for f in fields(cast(Any, cls))]
    columns = {name: [_plain(getattr(row, name)) for row in rows] for name in names}
    return pa.table(columns, schema=schema_of(cls))


def records_from(cls: type[Record], table: pa.Table) -> list[Record]:
    """The rows of a table as records; columns that the class does not have are ignored.

    A column with a default may be missing, since tables of earlier versions have fewer columns.
    """
    names = [
        f.name
        for f in fields(cast(Any, cls))
        if f.default is MISSING or f.name in table.column_names
    ]
    records: list[Record] = []
    # In parts: as Python's lists and dicts a whole table takes several times its records' memory.
    for part in table.select(names).to_batches(max_chunksize=ROWS_AT_ONCE):
        known: dict[str, str] = {}
        for row in part.to_pylist():
            values = {name: _frozen(value, known) for name, value in row.items()}
            records.append(cls(**values))
    return records


def _arrow_type(hint: Any) -> pa.DataType:
    import pyarrow as pa

    if get_origin(hint) in (Union, UnionType):
        (hint,) = [option for option in get_args(hint) if option is not type(None)]
    if get_origin(hint) is tuple:
        return pa.list_(_arrow_type(get_args(hint)[0]))
    plain = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    return plain[hint]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _frozen(value: Any, known: dict[str, str]) -> Any:
    """A value of a record; texts that are `known` are stored once."""
    if isinstance(value, list):
        return tuple(_frozen(one, known) for one in value)
    return known.setdefault(value, value) if isinstance(value, str) else value
