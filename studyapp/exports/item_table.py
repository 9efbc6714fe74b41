"""A study's items as the table from which `create_study --items` makes the same study elsewhere.

With the same settings and seed it has the same sounds, options and trials. Only where an option was
taken from another feature may another one stand there: the table holds the features of the study,
without those of the run that are not in it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from studyapp.core.storage import write_atomically
from studyapp.core.text import fold
from studyapp.exports.write import ExportError
from studyapp.models import Clip, Feature, Item, LabelCandidate, Study
from studyapp.runs.services.folders import file_of
from studyapp.runs.services.item_tables.check import CLIPS, NEEDED
from studyapp.runs.services.item_tables.make import SCORER
from studyapp.studies.selectors.studies import items_of

TABLE, FOLDER = "items.csv", "clips"


def write_items(*, study: Study, out: Path) -> Path:
    """Write `items.csv` and the folder `clips` into the new or empty folder `out`.

    Raises `ExportError` if the study's items cannot be a table, a clip is missing, or a file cannot
    be written.
    """
    if study.kind.picks_sound:
        raise ExportError(f"{study} has trials of the kind {study.kind.trial_type}: a table of "
                          "items is for trials that show labels")  # fmt: skip
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportError(f"{out} exists and is not an empty folder; give another --out")
    items = [one for one in items_of(study) if one.role == Item.Role.MAIN]
    sounds = {_name(clip): file_of(clip.run, clip.path) for item in items for clip in _clips(item)}
    if missing := [path for path in sounds.values() if not path.is_file()]:
        raise ExportError(f"{missing[0]} is missing; nothing was written")
    table = _as_csv(list(_rows(items)))
    try:
        for name, path in sounds.items():
            write_atomically(out / FOLDER / name, path.read_bytes())
        write_atomically(out / TABLE, table)
    except OSError as error:
        raise ExportError(
            f"{error.filename or out}: {error.strerror}; {out} has no whole table"
        ) from error
    return out


def _rows(items: Sequence[Item]) -> Iterator[dict[str, object]]:
    """One row for each distinct text of an item's method."""
    several = len({item.feature.run_id for item in items if item.feature}) > 1
    for item in items:
        if item.feature is None or item.condition is None:
            continue
        run, feature = item.feature.run.identifier, item.feature
        shared = {
            "item": f"{run}/{feature.identifier}" if several else feature.identifier,
            "method": item.condition.method,
            "group": f"{run} {feature.sae}" if several else feature.sae,
            **{name: _name(clip) for name, clip in zip(CLIPS, _clips(item), strict=True)},
        }
        for label in _distinct(feature, item.condition.method):
            scores = {_column(name): score for name, score in label.scores.items()}
            text = " ".join(label.text.split())
            yield {
                **shared, "rank": label.rank, "text": text, "confidence": label.confidence, **scores
            }  # fmt: skip


def _column(scorer: str) -> str:
    """Where a table has a scorer's scores; those of a table without a scorer's name are `score`."""
    return "score" if scorer == SCORER else f"score_{scorer}"


def _distinct(feature: Feature, method: str) -> list[LabelCandidate]:
    """The method's texts for the feature, one of each group of near-synonyms."""
    labels = feature.labels.filter(method=method, status=LabelCandidate.Status.OK).exclude(text="")
    found: dict[str, LabelCandidate] = {}
    for label in labels.order_by("rank"):
        found.setdefault(fold(label.name or label.text), label)
    return list(found.values())


def _clips(item: Item) -> list[Clip]:
    return [one.clip for one in item.stimuli if one.clip is not None]


def _name(clip: Clip) -> str:
    return f"{clip.sha256}{Path(clip.path).suffix}"


def _as_csv(rows: Sequence[dict[str, object]]) -> bytes:
    buffer = io.StringIO(newline="")
    columns = dict.fromkeys((*NEEDED, *CLIPS, *(name for row in rows for name in row)))
    writer = csv.DictWriter(buffer, list(columns), restval="")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()
