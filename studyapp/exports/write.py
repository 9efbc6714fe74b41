"""Writing an export: every file into a temporary folder beside the target, then one rename.

Rows are streamed, so memory does not grow with the number of responses.
"""

import csv
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from django.utils import timezone

from studyapp.exports import codebook, columns
from studyapp.exports.columns import File
from studyapp.models import Study
from studyapp.selectors import exports as rows

Row = TypeVar("Row")
Watch = Callable[[str, Iterable[Any]], Iterable[Any]]
"""Sees each file's name and rows pass by: a progress bar."""

DESIGN_FIELDS = (
    "slug", "version", "title", "state", "seed", "option_policy", "features_wanted",
    "ratings_per_item", "trials_per_participation", "lease_minutes", "loudness_lufs",
    "consent_text", "instructions_text", "contact", "ethics_approval", "left_out",
)  # fmt: skip


class ExportError(Exception):
    """An export cannot be made; the message is the one line that the user reads."""


def study_named(name: str) -> Study:
    """The study `SLUG`, its newest version, or `SLUG@VERSION`.

    Raises `ExportError` if there is none.
    """
    slug, _, version = name.partition("@")
    if version and not version.isdecimal():
        raise ExportError(f"{name!r}: the version after @ is {version!r}, not a number")
    found = rows.studies_named(slug, int(version) if version else None)
    if not found:
        raise ExportError(f"there is no study {name!r}")
    return found[0]


def export_study(*, study: Study, out: Path, watch: Watch = lambda _, stream: stream) -> Path:
    """Write the whole export of `study` into the folder `out`, all of it or nothing.

    Raises `ExportError` if `out` holds anything, is a file, or cannot be written.
    """
    out = Path(out).absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportError(f"{out} is there and not an empty folder; give another --out")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise ExportError(f"{out} cannot be written: {error.strerror}") from error
    try:
        _write_files(study, temporary, watch)
        temporary.chmod(0o755)
        os.replace(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return out


def zip_study(*, study: Study, archive: Path) -> Path:
    """The whole export as one zip file, under a folder named after the study and its version."""
    folder = f"{study.slug}-v{study.version}"
    with tempfile.TemporaryDirectory() as temporary:
        made = export_study(study=study, out=Path(temporary) / folder)
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for file in sorted(made.iterdir()):
                packed.write(file, f"{folder}/{file.name}")
    return archive


def responses_as_csv(study: Study) -> Iterator[str]:
    """`responses.csv`, line by line."""
    return _lines(columns.RESPONSES, rows.responses(study))


def _write_files(study: Study, folder: Path, watch: Watch) -> None:
    labels = columns.labels_file(rows.scorers(study))
    streams: list[tuple[File[Any], Iterable[Any]]] = [
        (columns.RESPONSES, rows.responses(study)),
        (columns.PARTICIPANTS, rows.participations(study)),
        (columns.TRIALS, rows.trials(study)),
        (columns.EVENTS, rows.events(study)),
        (labels, rows.labels(study)),
        (columns.STIMULI, rows.stimuli(study)),
    ]
    for file, stream in streams:
        _write_csv(folder / file.name, file, watch(file.name, stream))
    files = [file for file, _ in streams]
    _write_json(folder / "study.json", _protocol(study))
    _write_json(folder / "codebook.json", codebook.as_document(files))
    (folder / "codebook.md").write_text(codebook.as_markdown(files), encoding="utf-8")


def _protocol(study: Study) -> dict[str, Any]:
    """The frozen design as it stands, and who took part."""
    counts = rows.participation_counts(study)
    return {
        "study": study.slug,
        "study_version": study.version,
        "design": {name: getattr(study, name) for name in DESIGN_FIELDS},
        "methods": sorted(study.conditions.values_list("method", flat=True)),
        "runs": sorted(study.runs.values_list("identifier", flat=True)),
        "items": study.items.count(),
        "exclusion_rules": study.exclusion_rules,
        "analysis_plan": study.analysis_plan,
        "design_hash": study.design_hash,
        "frozen_at": columns.cell(study.frozen_at),
        "participations": counts,
        "simulated_participations": sum(kinds["simulated"] for kinds in counts.values()),
        "exported_at": columns.cell(timezone.now()),
    }


def _write_csv(path: Path, file: File[Row], stream: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(file.header())
        writer.writerows(file.cells(row) for row in stream)


def _write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


class _Line:
    """A file-like that hands on what `csv` writes, one line at a time."""

    def write(self, text: str) -> str:
        """Give the text back, so that `writerow` returns it."""
        return text


def _lines(file: File[Row], stream: Iterable[Row]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield str(writer.writerow(file.header()))
    for row in stream:
        yield str(writer.writerow(file.cells(row)))
