"""Reads which clips a run's steering made, so that studies can set them against each other, and
what CLAP says of them, so that its agreement with listeners can be told.

`python -m pipeline steer` writes them after the run, so a run may get others long after it was
indexed: they are read again whenever a study is begun.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from math import isclose
from typing import Any

from django.db import transaction

from studyapp.core.errors import RunError
from studyapp.models import Clip, Feature, Run, SteeredClip
from studyapp.runs.services.configs import refusals
from studyapp.runs.services.folders import file_of, run_directory
from studyapp.runs.services.index import SHA256

logger = logging.getLogger(__name__)

BATCH = 1000
Row = dict[str, Any]


def refresh(run: Run) -> int:
    """Replace the rows of the run's steered clips, and return how many there are.

    A run without such tables has none, and costs no more than looking for them. Raises `RunError`
    if a table cannot be read or used.
    """
    saes = run.features.order_by().values_list("sae", flat=True).distinct()
    tables = {sae: f"steering/{sae}.parquet" for sae in sorted(saes)}
    tables = {sae: one for sae, one in tables.items() if file_of(run, one).is_file()}
    if not tables:
        return 0
    files = run_directory(run)
    with transaction.atomic():
        # One at a time: two people may begin a study of the run at once.
        Run.objects.select_for_update(no_key=True).get(pk=run.pk)
        SteeredClip.objects.filter(feature__run=run).delete()
        for sae, relative in tables.items():
            with refusals():
                rows = files.read_table(relative).to_pylist()
            _make(run, sae, rows)
    return SteeredClip.objects.filter(feature__run=run).count()


def judged(run: Run, sae: str) -> Iterator[Row]:
    """The rows of an evaluation (`steering/SAE.effects.parquet`) of clips that the run has: made
    with the same settings, and with the same share of changed tokens.

    None if the run was not evaluated, or if a table cannot be used, which is logged.
    """
    tables = [f"steering/{sae}.parquet", f"steering/{sae}.effects.parquet"]
    if not all(file_of(run, one).is_file() for one in tables):
        return
    try:
        with refusals():
            clips, effects = (run_directory(run).read_table(one).to_pylist() for one in tables)
        known = {_place(row): row for row in clips}
        for row in effects:
            if _is_same(known.get(_place(row)), row):
                yield row
    except (RunError, KeyError, TypeError) as error:
        logger.warning("%s of run %s: no cosines by CLAP: %s", tables[1], run.name, error)


def _place(row: Row) -> tuple[Any, ...]:
    return row["feature"], _intervention(row), row["alpha"], row["seed"]


def _is_same(clip: Row | None, row: Row) -> bool:
    """Whether what was evaluated is the clip that is kept: both say how they were generated."""
    if clip is None:
        return False
    same = all(clip[name] == row[name] for name in ("prompt", "hookpoint"))
    return same and all(
        isclose(clip[name], row[name], rel_tol=1e-9)
        for name in ("seconds", "beta", "changed_share")
    )


def _make(run: Run, sae: str, rows: Iterable[Row]) -> None:
    features = dict(Feature.objects.filter(run=run, sae=sae).values_list("identifier", "pk"))
    try:
        # Pairs of prompts are steered too; they are no features.
        own = [row for row in rows if row["feature"] in features]
        for name in ("alpha", "seed", "seconds"):
            if any(row[name] is None for row in own):
                raise RunError(f"steering/{sae}.parquet of {run} has a clip without {name}")
        clips = _clips(run, sae, own)
        made = {
            (row["feature"], _intervention(row), row["alpha"], row["seed"]): SteeredClip(
                feature_id=features[row["feature"]], clip=clips[row["clip"]],
                plain=clips[row["plain_clip"]], intervention=_intervention(row),
                strength=row["alpha"], seed=row["seed"], prompt=row["prompt"],
            )
            for row in own
        }  # fmt: skip
    except KeyError as error:
        raise RunError(f"steering/{sae}.parquet of {run} lacks the column {error}") from error
    SteeredClip.objects.bulk_create(made.values(), batch_size=BATCH)


def _intervention(row: Row) -> str:
    """Its name; tables of older versions have only one kind."""
    return str(row.get("intervention") or "add")


def _clips(run: Run, sae: str, rows: Iterable[Row]) -> dict[str, Clip]:
    """Hash → clip of the run; the clip without steering is shared by all features."""
    seconds = {row[name]: row["seconds"] for row in rows for name in ("clip", "plain_clip")}
    if odd := [name for name in seconds if not SHA256.fullmatch(str(name))]:
        # It becomes a file name, and in a run made elsewhere it could be any path.
        raise RunError(f"steering/{sae}.parquet names the clip {odd[0]!r}, which is not a SHA-256")
    known = {clip.sha256: clip for clip in run.clips.all()}
    new = [
        Clip(
            run=run, sha256=sha256, path=f"steering/{sae}/clips/{sha256}.flac", track="",
            start_seconds=0.0, seconds=length,
        )
        for sha256, length in seconds.items()
        if sha256 not in known
    ]  # fmt: skip
    return known | {clip.sha256: clip for clip in Clip.objects.bulk_create(new, batch_size=BATCH)}
