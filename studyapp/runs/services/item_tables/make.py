"""Makes the rows that a study draws from out of a table of items without a fault.

They are those of a finished run: a `Run` of origin `items`, whose features are the items. Clips are
copied into the data folder, named by their hashes, so that nothing is lost if the folder moves.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from studyapp.core.storage import write_atomically
from studyapp.models import Clip, Exemplar, Feature, FeatureView, LabelCandidate, Project, Run
from studyapp.runs.services import feature_columns
from studyapp.runs.services.item_tables.check import ItemTable

BATCH = 1000
SCORER = "given"
"""Under which the table's own scores are stored."""
NO_ACTIVATIONS: dict[str, Any] = {
    "timelines": {}, "quantiles": [], "histogram": None, "neighbours": [],
}  # fmt: skip
NOTES = ["These clips came with a table of items, so there are no activations to show."]
UNGROUPED = "items"
"""In the place of the SAE, which pages and strata go by: an item's group, else this."""


def identifier_of(table: ItemTable) -> str:
    """Twelve characters that two equal tables share, `run` in every export."""
    digest = hashlib.sha256(repr((table.candidates, sorted(table.groups.items()))).encode())
    for item, clips in sorted(table.clips.items()):
        digest.update(repr((item, [table.sounds[clip].sha256 for clip in clips])).encode())
    if scores := [(one.line, one.scores) for one in table.candidates if one.scores]:
        digest.update(repr(scores).encode())
    return digest.hexdigest()[:12]


def equal_table(table: ItemTable, project: Project | None) -> Run | None:
    """What was made of an equal table of the project."""
    known = Run.objects.filter(origin=Run.Origin.ITEMS, project=project, state=Run.State.DONE)
    return known.filter(identifier=identifier_of(table)).first()


def make(*, table: ItemTable, name: str, project: Project | None = None) -> tuple[Run, bool]:
    """The run of the items, and whether it is new: an equal table of the project is used again."""
    if (known := equal_table(table, project)) is not None:
        return known, False
    directory = new_directory()
    try:
        copy_clips(table, directory)
        with transaction.atomic():
            run = Run.objects.create(
                name=f"{name} {identifier_of(table)}", directory=directory, config={},
                origin=Run.Origin.ITEMS, project=project,
            )  # fmt: skip
            fill(run, table)
    except BaseException:
        remove(directory)
        raise
    return run, True


def fill(run: Run, table: ItemTable) -> None:
    """Make the rows, and mark the run as done; its clips are copied already."""
    _make_rows(run, table)
    run.identifier, run.state, run.error = identifier_of(table), Run.State.DONE, ""
    run.finished_at = timezone.now()
    run.save(update_fields=["identifier", "state", "error", "finished_at"])


def new_directory() -> str:
    """Where the files of a table will be, relative to `EARWITNESS_DATA`."""
    return f"items/{secrets.token_hex(16)}"


def remove(directory: str) -> None:
    """Delete what lies there."""
    shutil.rmtree(Path(settings.DATA) / directory, ignore_errors=True)


def discard(run: Run) -> None:
    """Delete the items of a table again, with their files, if no study uses them."""
    if run.origin == Run.Origin.ITEMS and not run.studies.exists():
        run.delete()
        remove(run.directory)


def _stored(clip: str, table: ItemTable) -> str:
    """A clip's path in the run's folder."""
    sound = table.sounds[clip]
    return f"clips/{sound.sha256}{sound.path.suffix.lower()}"


def copy_clips(table: ItemTable, directory: str) -> None:
    """Copy the sounds to where the run's files are."""
    folder = Path(settings.DATA) / directory
    for clip, sound in table.sounds.items():
        write_atomically(folder / _stored(clip, table), sound.path.read_bytes())


def _make_rows(run: Run, table: ItemTable) -> None:
    features = {
        item: Feature(
            run=run, identifier=item, sae=table.groups.get(item, UNGROUPED), hookpoint="",
            index=index, rate=0.0, mean_activation=0.0, max_activation=0.0,
        )
        for index, item in enumerate(table.clips)
    }  # fmt: skip
    Feature.objects.bulk_create(features.values(), batch_size=BATCH)
    by_hash = {sound.sha256: clip for clip, sound in table.sounds.items()}
    clips = {
        sha256: Clip(
            run=run, sha256=sha256, path=_stored(clip, table), track=clip[:200],
            start_seconds=0.0, seconds=table.sounds[clip].seconds,
        )
        for sha256, clip in by_hash.items()
    }  # fmt: skip
    Clip.objects.bulk_create(clips.values(), batch_size=BATCH)
    Exemplar.objects.bulk_create(
        (
            Exemplar(
                feature=features[item], clip=clips[table.sounds[clip].sha256], rank=rank,
                mean_activation=0.0, peak_seconds=0.0,
            )
            for item, own in table.clips.items()
            for rank, clip in enumerate(own, 1)
        ),
        batch_size=BATCH,
    )  # fmt: skip
    LabelCandidate.objects.bulk_create(
        (
            LabelCandidate(
                feature=features[one.item], method=one.method, rank=one.rank, text=one.text,
                confidence=one.confidence,
                scores=dict(one.scores) | ({} if one.score is None else {SCORER: one.score}),
            )
            for one in table.candidates
        ),
        batch_size=BATCH,
    )  # fmt: skip
    # What a worker would make of a run's files; there are none.
    FeatureView.objects.bulk_create(
        (FeatureView(feature=one, facts=NO_ACTIVATIONS, notes=NOTES) for one in features.values()),
        batch_size=BATCH,
    )
    feature_columns.fill(run)
