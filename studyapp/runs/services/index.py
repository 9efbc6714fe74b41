"""Makes rows from a finished run directory: features, exemplars, clips and label candidates.

The directory remains the source. All rows are created in one transaction.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Protocol

from django.db import transaction

from studyapp.core.errors import RunError
from studyapp.models import Clip, Exemplar, Feature, LabelCandidate, Run
from studyapp.runs.services import feature_columns

BATCH = 1000
TEXT_LENGTH = 300
SHA256 = re.compile(r"[0-9a-f]{64}")

Row = dict[str, Any]


class Table(Protocol):
    """The part of a table from `RunDirectory.read_table` that is used here."""

    def to_pylist(self) -> list[Row]:
        """Return the rows as plain dicts."""
        ...


class Files(Protocol):
    """The reading side of `pipeline.store.run_directory.RunDirectory`."""

    def read_table(self, relative: str) -> Table:
        """Read a Parquet table of the run."""
        ...

    def manifest(self) -> dict[str, Any]:
        """Return the run's manifest."""
        ...


@transaction.atomic
def make_rows(*, run: Run, files: Files) -> int:
    """Index the run unless it is indexed already, and return its number of features."""
    if run.features.exists():
        return run.features.count()
    names = _table_names(files, "features", skip=".neighbours")
    for sae in names:
        try:
            features = _make_features(run, sae, files)
            _make_exemplars(run, sae, files, features)
            _make_labels(sae, files, features)
        except KeyError as error:  # an old table, or one written by another program
            raise RunError(f"a table of {sae} lacks the column or feature {error}") from error
    feature_columns.fill(run)
    return run.features.count()


def _make_features(run: Run, sae: str, files: Files) -> dict[str, Feature]:
    """Create the kept features of one SAE, and return them by identifier."""
    neighbours = _neighbours(files.read_table(f"features/{sae}.neighbours.parquet").to_pylist())
    kept = [r for r in files.read_table(f"features/{sae}.parquet").to_pylist() if r["kept"]]
    made = Feature.objects.bulk_create(
        [
            Feature(
                run=run,
                identifier=row["feature"],
                sae=sae,
                hookpoint=row["hookpoint"],
                index=row["index"],
                rate=row["rate"],
                mean_activation=row["mean_activation"],
                max_activation=row["max_activation"],
                neighbours=neighbours[row["feature"]],
            )
            for row in kept
        ],
        batch_size=BATCH,
    )
    return {feature.identifier: feature for feature in made}


def _neighbours(rows: Iterable[Row]) -> defaultdict[str, list[str]]:
    """Feature → its neighbours, nearest first."""
    nearest: defaultdict[str, list[str]] = defaultdict(list)
    for row in sorted(rows, key=lambda r: (r["feature"], r["rank"])):
        nearest[row["feature"]].append(row["neighbour"])
    return nearest


def _make_exemplars(run: Run, sae: str, files: Files, features: dict[str, Feature]) -> None:
    rows = [
        row
        for row in files.read_table(f"exemplars/{sae}.parquet").to_pylist()
        if row["feature"] in features
    ]
    clips = _make_clips(run, sae, rows, files)
    Exemplar.objects.bulk_create(
        [
            Exemplar(
                feature=features[row["feature"]],
                clip=clips[row["clip"]],
                rank=row["rank"],
                mean_activation=row["mean_activation"],
                peak_seconds=row["peak_seconds"],
            )
            for row in rows
        ],
        batch_size=BATCH,
    )


def _make_clips(run: Run, sae: str, exemplars: list[Row], files: Files) -> dict[str, Clip]:
    """Hash → clip of the run; one clip can be an exemplar of many features and SAEs."""
    tags = {
        row["track"]: row["tags"] or [] for row in files.read_table("corpus.parquet").to_pylist()
    }
    known = {clip.sha256: clip for clip in run.clips.all()}
    new = {row["clip"]: row for row in exemplars if row["clip"] not in known}
    if odd := [name for name in new if not SHA256.fullmatch(str(name))]:
        # It becomes a file name, and in a run made elsewhere it could be any path.
        raise RunError(f"exemplars/{sae}.parquet names the clip {odd[0]!r}, which is not a SHA-256")
    made = Clip.objects.bulk_create(
        [
            Clip(
                run=run,
                sha256=sha256,
                path=f"exemplars/{sae}/clips/{sha256}.flac",
                track=row["track"],
                start_seconds=row["start_seconds"],
                seconds=row["seconds"],
                tags=tags.get(row["track"], []),
            )
            for sha256, row in new.items()
        ],
        batch_size=BATCH,
    )
    return known | {clip.sha256: clip for clip in made}


def _make_labels(sae: str, files: Files, features: dict[str, Feature]) -> None:
    scores = _scores(sae, files)
    rows = [
        _label(method, row, features[row["feature"]], scores)
        for method in _table_names(files, f"labels/{sae}")
        for row in files.read_table(f"labels/{sae}/{method}.parquet").to_pylist()
        if row["feature"] in features
    ]
    LabelCandidate.objects.bulk_create(rows, batch_size=BATCH)


def _label(
    method: str, row: Row, feature: Feature, scores: dict[tuple[str, str, int], dict[str, float]]
) -> LabelCandidate:
    """Create one candidate. A text that is too long becomes a failure; it is never truncated."""
    text, status, reason = row["text"] or "", row["status"], row["reason"] or ""
    if len(text) > TEXT_LENGTH:
        reason = f"text of {len(text)} characters, over the limit of {TEXT_LENGTH}"
        text, status = "", LabelCandidate.Status.FAILED
    return LabelCandidate(
        feature=feature,
        method=method,
        rank=row["rank"],
        text=text,
        name=(row.get("name") or "")[:TEXT_LENGTH],
        confidence=row["confidence"],
        description=row["description"] or "",
        status=status,
        reason=reason[:TEXT_LENGTH],
        scores=scores.get((row["feature"], method, row["rank"]), {}),
    )


def _scores(sae: str, files: Files) -> dict[tuple[str, str, int], dict[str, float]]:
    """(feature, method, rank) → scorer → score; failed scores are left out."""
    scores: defaultdict[tuple[str, str, int], dict[str, float]] = defaultdict(dict)
    for scorer in _table_names(files, f"scores/{sae}"):
        for row in files.read_table(f"scores/{sae}/{scorer}.parquet").to_pylist():
            if row["status"] == "ok" and row["score"] is not None:
                scores[row["feature"], row["method"], row["rank"]][scorer] = row["score"]
    return dict(scores)


def _table_names(files: Files, folder: str, skip: str = "\0") -> list[str]:
    """Return the names of the Parquet tables directly in `folder`, from the manifest."""
    listed = (path for stage in files.manifest()["stages"].values() for path in stage["files"])
    names = []
    for path in listed:
        parent, _, file = path.rpartition("/")
        stem, dot, suffix = file.rpartition(".")
        if parent == folder and dot and suffix == "parquet" and not stem.endswith(skip):
            names.append(stem)
    return sorted(names)
