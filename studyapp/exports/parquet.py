"""Writes the tables as Parquet, with the types of the column definitions, batch by batch."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studyapp.core.batches import batched
from studyapp.exports.files import File

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 20_000
CHUNK = 1 << 20


def chunks(file: File[Any], rows: Iterable[Any]) -> Iterator[bytes]:
    """Yield `rows` as Parquet, through a temporary file because its footer is written last."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        write(path, file, rows)
        with path.open("rb") as written:
            while chunk := written.read(CHUNK):
                yield chunk


def write(path: Path, file: File[Any], rows: Iterable[Any]) -> None:
    """Write `rows` to `path` with one batch in memory at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = schema_of(file)
    readers = [column.value for column in file.columns]
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batched(rows, BATCH):
            arrays = [
                pa.array([reader(row) for row in batch], type=field.type)
                for reader, field in zip(readers, schema, strict=True)
            ]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


def schema_of(file: File[Any]) -> pa.Schema:
    """Return the schema; each field's metadata has the column's meaning and unit."""
    import pyarrow as pa

    types = {
        "text": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
    }
    return pa.schema(
        [
            pa.field(c.name, types[c.type], metadata={"meaning": c.meaning, "unit": c.unit})
            for c in file.columns
        ]
    )
