"""Writes an export into a folder (under a temporary name, then renamed) or as a zip stream.

Rows are streamed, so memory does not grow with the number of responses.
"""

import codecs
import csv
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from django.utils import timezone

from studyapp.core.snapshot import snapshot
from studyapp.exports import (
    codebook,
    columns,
    machines,
    parquet,
    participants,
    psychds,
    reports,
    watching,
)
from studyapp.exports import flags as quality
from studyapp.exports import selectors as rows
from studyapp.exports.cells import cell
from studyapp.exports.files import File
from studyapp.models import Participation, Study
from studyapp.studies.services import design

Row = TypeVar("Row")
LINES = 500
"""Lines of a CSV file per chunk."""
PIECE = 1 << 16
"""Minimum number of bytes of a zip file per chunk."""
QUICK = 1
"""Deflate's lowest level: it halves the size, and reading the rows takes longer anyway."""
Watch = Callable[[str, Iterable[Any]], Iterable[Any]]
"""Wraps the rows of each named file, for a progress bar."""


class ExportError(Exception):
    """An export cannot be made; the message is the one line that is shown to the user."""


def study_named(name: str) -> Study:
    """Return the newest version of the study `SLUG`, or `SLUG@VERSION`.

    Raises `ExportError` if there is none.
    """
    slug, _, version = name.partition("@")
    if version and not version.isdecimal():
        raise ExportError(f"{name!r}: the version after @ is {version!r}, not a number")
    found = rows.studies_named(slug, int(version) if version else None)
    if not found:
        raise ExportError(f"there is no study {name!r}")
    return found[0]


@dataclass(frozen=True)
class Forms:
    """Options for the layout of an export."""

    spreadsheet: bool = False
    """Also write `*.spreadsheet.csv`: no text is taken for a formula; has a byte order mark."""
    parquet: bool = False
    """Also write each table as Parquet."""
    psych_ds: bool = False
    """Put the tables in `data/` under the names that Psych-DS requires."""


EXACT = Forms()


def export_study(
    *,
    study: Study,
    out: Path,
    watch: Watch = lambda _, stream: stream,
    forms: Forms = EXACT,
) -> Path:
    """Write the export of `study` into the folder `out`, completely or not at all.

    All files come from one snapshot of the database, even if answers arrive in the meantime.

    Raises `ExportError` if `out` is not empty, is a file, or cannot be written.
    """
    out = Path(out).absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportError(f"{out} exists and is not an empty folder; give another --out")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise ExportError(f"{out} cannot be written: {error.strerror}") from error
    try:
        with snapshot():
            for place, chunks in _entries(study, watch, forms):
                path = temporary / place
                path.parent.mkdir(exist_ok=True)
                with path.open("wb") as handle:
                    handle.writelines(chunks)
        temporary.chmod(0o755)
        os.replace(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return out


def zip_study(study: Study, forms: Forms = EXACT) -> Iterator[bytes]:
    """Yield the export as one zip file in chunks, while its rows are read.

    Nothing is kept in memory or on disk. The files are in a folder named after the study and its
    version, and come from one snapshot of the database.
    """
    folder = f"{study.slug}-v{study.version}"
    written = _ChunkBuffer()
    with snapshot(), zipfile.ZipFile(written, "w") as packed:  # type: ignore[call-overload] # has the methods that are used
        for place, chunks in _entries(study, lambda _, stream: stream, forms):
            entry = zipfile.ZipInfo(f"{folder}/{place}", timezone.now().timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            # Public as `compress_level` since Python 3.13; the archive's level is not used here.
            entry._compresslevel = QUICK  # type: ignore[attr-defined]
            entry.external_attr = 0o644 << 16
            with packed.open(entry, "w", force_zip64=True) as file:
                for chunk in chunks:
                    file.write(chunk)
                    if written.size >= PIECE:
                        yield written.take()
    yield written.take()


def responses_as_csv(study: Study, *, safe: bool = False) -> Iterator[bytes]:
    """Yield `responses.csv` in chunks, from one snapshot of the database."""
    file = columns.RESPONSES
    cells = file.safe_cells if safe else file.cells
    with snapshot():
        yield from _csv(file.header(), map(cells, rows.responses(study)), mark=safe)


def tables(study: Study) -> dict[str, tuple[File[Any], Callable[[], Iterable[Any]]]]:
    """Table → its columns, and a function that reads its rows."""
    labels = columns.labels_file(rows.scorers(study))
    found: dict[str, tuple[File[Any], Callable[[], Iterable[Any]]]] = {
        "responses": (columns.RESPONSES, lambda: rows.responses(study)),
        "participants": (participants.participants_file(study), lambda: _flagged(study)),
        "trials": (columns.TRIALS, lambda: rows.trials(study)),
        "events": (columns.EVENTS, lambda: rows.events(study)),
        "problems": (reports.PROBLEMS, lambda: rows.problems(study)),
        "labels": (labels, lambda: rows.labels(study)),
        "stimuli": (columns.STIMULI, lambda: rows.stimuli(study)),
    }
    if study.kind.steered:
        found["steering"] = columns.STEERING, lambda: rows.judged(study)
    return found


def protocol(study: Study, *, whole: bool = True) -> dict[str, Any]:
    """Return the content of `study.json`; without `whole`, no items, check sounds or codes."""
    return _protocol(study, whole=whole)


def _entries(study: Study, watch: Watch, forms: Forms) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Yield each file's path and its chunks, which must be read before the next file."""
    found = tables(study)
    files = [file for file, _ in found.values()]
    described = _protocol(study)
    for file, stream in found.values():
        place = psychds.table_name(study.slug, study.version, file) if forms.psych_ds else file.name
        stem = place.removesuffix(".csv")
        yield place, _csv(file.header(), map(file.cells, watch(file.name, stream())))
        if forms.spreadsheet:
            safe = map(file.safe_cells, stream())
            yield f"{stem}.spreadsheet.csv", _csv(file.header(), safe, mark=True)
        if forms.parquet:
            yield f"{stem}.parquet", parquet.chunks(file, stream())
    yield "study.json", _json(described)
    yield "codebook.json", _json(codebook.as_document(files))
    yield "dataset_description.json", _json(psychds.description(described, files))
    yield "codebook.md", [codebook.as_markdown(files).encode()]


def _flagged(study: Study) -> Iterator[Participation]:
    """Yield every participation with its `flags`; both streams are ordered by primary key."""
    answers = rows.responses_of(study)
    key, group = next(answers, (None, []))
    for participation in rows.participations(study):
        group_of: list[rows.ResponseRow] = []
        if participation.pk == key:
            group_of = group
            key, group = next(answers, (None, []))
        facts = [quality.facts(row) for row in group_of]
        flags = quality.participation_flags(facts, study.quality_rules)
        flags += quality.submission_flags(participation)
        if study.watch_machines:
            seen = watching.watched(participation, group_of)
            participation.watched = seen  # type: ignore[attr-defined]  # the same
            flags += [machines.FLAG] if machines.is_flagged(machines.signs(seen)) else []
        participation.flags = flags  # type: ignore[attr-defined]  # read only by its column
        yield participation


def _protocol(study: Study, *, whole: bool = True) -> dict[str, Any]:
    """Return the frozen design, everything that its hash covers, and counts of participations."""
    counts = rows.participation_counts(study)
    return {
        "study": study.slug,
        "study_version": study.version,
        **design.exported(study, whole=whole),
        "methods": sorted(study.conditions.values_list("method", flat=True)),
        "runs": sorted(study.runs.values_list("identifier", flat=True)),
        "items": study.items.count(),
        "exclusion_rules": study.exclusion_rules,
        "analysis_plan": study.analysis_plan,
        "design_hash": study.design_hash,
        "frozen_at": cell(study.frozen_at),
        "deviations": [one | {"at": cell(one["at"])} for one in rows.deviations(study)],
        "participations": counts,
        "simulated_participations": sum(kinds["simulated"] for kinds in counts.values()),
        "exported_at": cell(timezone.now()),
    }


def _json(value: Any) -> list[bytes]:
    return [(json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()]


def _csv(header: list[str], cells: Iterable[list[Any]], *, mark: bool = False) -> Iterator[bytes]:
    """Yield a CSV file in chunks; `mark` adds the byte order mark that spreadsheets need."""
    if mark:
        yield codecs.BOM_UTF8
    writer = csv.writer(_LineWriter())
    yield str(writer.writerow(header)).encode()
    lines = map(writer.writerow, cells)
    while batch := "".join(islice(lines, LINES)):
        yield batch.encode()


class _LineWriter:
    """A file-like object that returns each line that `csv` writes."""

    def write(self, text: str) -> str:
        """Return the text, so that `writerow` returns it too."""
        return text


class _ChunkBuffer:
    """A write-only file-like object whose bytes can be taken out in between."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def write(self, data: bytes) -> int:
        """Store bytes until they are taken."""
        self._parts.append(bytes(data))
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: there is no buffer."""

    def take(self) -> bytes:
        """Return what has been written since the last call."""
        whole, self._parts, self.size = b"".join(self._parts), [], 0
        return whole
