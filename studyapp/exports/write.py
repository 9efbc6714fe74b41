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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from django.utils import timezone

from studyapp.exports import codebook, columns, parquet, psychds
from studyapp.exports.columns import File
from studyapp.models import Participation, Study
from studyapp.selectors import exports as rows
from studyapp.services import quality
from studyapp.snapshot import snapshot

Row = TypeVar("Row")
Watch = Callable[[str, Iterable[Any]], Iterable[Any]]
"""Sees each file's name and rows pass by: a progress bar."""

DESIGN_FIELDS = (
    "slug", "version", "title", "state", "seed", "option_policy", "design", "catch_trials",
    "repeat_trials", "quality_rules", "features_wanted",
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


@dataclass(frozen=True)
class Forms:
    """How an export is laid out."""

    spreadsheet: bool = False
    """Also `*.spreadsheet.csv`, whose texts no spreadsheet takes for formulas."""
    parquet: bool = False
    """Also each table as Parquet."""
    psych_ds: bool = False
    """The tables in `data/` under the names that Psych-DS asks for."""


EXACT = Forms()


def export_study(
    *,
    study: Study,
    out: Path,
    watch: Watch = lambda _, stream: stream,
    forms: Forms = EXACT,
) -> Path:
    """Write the whole export of `study` into the folder `out`, all of it or nothing.

    All of it is one state of the database, however many answers come in meanwhile.

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
        with snapshot():
            _write_files(study, temporary, watch, forms)
        temporary.chmod(0o755)
        os.replace(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return out


def zip_study(*, study: Study, archive: Path, forms: Forms = EXACT) -> Path:
    """The whole export as one zip file, under a folder named after the study and its version."""
    folder = f"{study.slug}-v{study.version}"
    with tempfile.TemporaryDirectory() as temporary:
        made = export_study(study=study, out=Path(temporary) / folder, forms=forms)
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for file in sorted(found for found in made.rglob("*") if found.is_file()):
                packed.write(file, f"{folder}/{file.relative_to(made)}")
    return archive


def responses_as_csv(study: Study, *, safe: bool = False) -> Iterator[str]:
    """`responses.csv`, line by line, of one state of the database."""
    with snapshot():
        yield from _lines(columns.RESPONSES, rows.responses(study), safe)


def tables(study: Study) -> dict[str, tuple[File[Any], Callable[[], Iterable[Any]]]]:
    """Table → its columns, and its rows anew at every call."""
    labels = columns.labels_file(rows.scorers(study))
    return {
        "responses": (columns.RESPONSES, lambda: rows.responses(study)),
        "participants": (columns.PARTICIPANTS, lambda: _flagged(study)),
        "trials": (columns.TRIALS, lambda: rows.trials(study)),
        "events": (columns.EVENTS, lambda: rows.events(study)),
        "labels": (labels, lambda: rows.labels(study)),
        "stimuli": (columns.STIMULI, lambda: rows.stimuli(study)),
    }


def protocol(study: Study) -> dict[str, Any]:
    """What `study.json` holds."""
    return _protocol(study)


def _write_files(study: Study, folder: Path, watch: Watch, forms: Forms) -> None:
    found = tables(study)
    files = [file for file, _ in found.values()]
    described = _protocol(study)
    for file, stream in found.values():
        place = psychds.table_name(study.slug, study.version, file) if forms.psych_ds else file.name
        path = folder / place
        path.parent.mkdir(exist_ok=True)
        _write_csv(path, file.header(), map(file.cells, watch(file.name, stream())))
        if forms.spreadsheet:
            safe = path.with_name(f"{path.stem}.spreadsheet.csv")
            _write_csv(safe, file.header(), map(file.safe_cells, stream()))
        if forms.parquet:
            parquet.write(path.with_suffix(".parquet"), file, stream())
    _write_json(folder / "study.json", described)
    _write_json(folder / "codebook.json", codebook.as_document(files))
    _write_json(folder / "dataset_description.json", psychds.description(described, files))
    (folder / "codebook.md").write_text(codebook.as_markdown(files), encoding="utf-8")


def _flagged(study: Study) -> Iterator[Participation]:
    """Every participation with its `flags`; both streams come in the order of the keys."""
    answers = rows.responses_of(study)
    key, group = next(answers, (None, []))
    for participation in rows.participations(study):
        facts: list[quality.Facts] = []
        if participation.pk == key:
            facts = [quality.facts(row) for row in group]
            key, group = next(answers, (None, []))
        flags = quality.participation_flags(facts, study.quality_rules)
        participation.flags = flags  # type: ignore[attr-defined]  # read by its column alone
        yield participation


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


def _write_csv(path: Path, header: list[str], cells: Iterable[list[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(header)
        writer.writerows(cells)


def _write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


class _Line:
    """A file-like that hands on what `csv` writes, one line at a time."""

    def write(self, text: str) -> str:
        """Give the text back, so that `writerow` returns it."""
        return text


def _lines(file: File[Row], stream: Iterable[Row], safe: bool) -> Iterator[str]:
    writer = csv.writer(_Line())
    cells = file.safe_cells if safe else file.cells
    yield str(writer.writerow(file.header()))
    for row in stream:
        yield str(writer.writerow(cells(row)))
