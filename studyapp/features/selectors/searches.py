"""Reads for searches, and their results as rows of a table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from studyapp.features.selectors.columns import Cell, Column
from studyapp.features.selectors.labels import Row, rows
from studyapp.jobs import selectors as job_selectors
from studyapp.models import Feature, FeatureSearch, Job, Run

KIND = "feature_search"
SHOWN_SPANS = 2
LABEL = Column(
    "near",
    "Nearest label",
    "The feature’s label that is nearest to the words, of any method but a control, with the "
    "cosine of their CLAP embeddings: 1 is the same text.",
)
SOUND = Column(
    "sound",
    "Sound",
    "The cosine of the words and the mean of the feature’s exemplars, by the run’s CLAP. No label "
    "has a part in it.",
)
RELATIVE = Column(
    "relative",
    "Strength",
    "The feature’s maximum in this sound, divided by its largest in the run’s own validation "
    "tracks. It can be above 100 %.",
)
SHARE = Column("share", "Fires", "The share of the sound’s frames in which the feature fires.")
WHEN = Column("when", "When", "The peak (▲), and when it fires first, seconds; +N: more often.")


def by_id(run: Run, pk: int) -> FeatureSearch | None:
    """A search of the run."""
    return run.searches.filter(pk=pk).first()


def job_of(row: FeatureSearch) -> Job | None:
    """The newest job of a search that has no answer yet."""
    return None if row.found is not None else job_selectors.newest(kind=KIND, target=row.pk)


def results(row: FeatureSearch, way: str) -> dict[str, Any]:
    """Columns, rows and figures of an answered search; `way` is the order, by label or sound."""
    found = row.found or {}
    is_words = row.kind == FeatureSearch.Kind.WORDS
    columns = [LABEL, SOUND] if is_words else [RELATIVE, SHARE, WHEN]
    given = {one["feature"]: one for one in found.get(way if is_words else "features", [])}
    features = Feature.objects.filter(run=row.run_id, identifier__in=given)
    known = {feature.identifier: feature for feature in features}
    shown = rows([known[name] for name in given if name in known], [])
    written = _near if is_words else _heard
    return {
        "columns": columns,
        "rows": [_with(one, written(given[one.feature.identifier])) for one in shown],
        "firing": found.get("firing"),
        "seconds": found.get("seconds"),
    }


def _with(row: Row, cells: list[Cell]) -> Row:
    return replace(row, cells=cells)


def _near(one: dict[str, Any]) -> list[Cell]:
    label = f"{one['label_cosine']:.2f}" if one["label"] else "–"
    return [Cell(LABEL, label, one["label"]), Cell(SOUND, f"{one['sound_cosine']:.2f}")]


def _heard(one: dict[str, Any]) -> list[Cell]:
    spans = [f"{start:.1f}–{end:.1f}" for start, end in one["spans"][:SHOWN_SPANS]]
    more = f" +{len(one['spans']) - SHOWN_SPANS}" * (len(one["spans"]) > SHOWN_SPANS)
    return [
        Cell(RELATIVE, f"{one['relative']:.0%}"),
        Cell(SHARE, f"{one['share']:.0%}"),
        Cell(WHEN, f"▲ {one['peak_seconds']:.1f} s", f"{', '.join(spans)}{more}"),
    ]
