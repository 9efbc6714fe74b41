"""Tables of items uploaded on a page: kept in the data folder, then checked by a worker.

Decoding every clip takes minutes, and libraries that the web process never loads. The clips lie in
a folder of this machine, as a run's corpus does, or come as a ZIP with the table (`archives`).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import IntegrityError, transaction

from studyapp.core.errors import RunError
from studyapp.core.storage import write_atomically
from studyapp.jobs.services import jobs
from studyapp.models import Job, Project, Run
from studyapp.runs.services import lifecycle, stages
from studyapp.runs.services.item_tables import archives, make
from studyapp.runs.services.item_tables.check import Fault, ItemTable, check

if TYPE_CHECKING:
    from django.contrib.auth.models import User

TABLE, ARCHIVE, UNPACKED = "items.csv", "clips.zip", "uploaded"
MOST_SHOWN = 1_000
"""Faults that are kept to be shown."""


def request(
    *,
    table: bytes,
    clips: Path | bytes,
    name: str,
    project: Project | None,
    created_by: User | None,
) -> Run:
    """Keep the table, with its clips if they are a ZIP, and have a worker check it.

    Raises `RunError` if the name is taken, and for a ZIP that cannot be used.
    """
    folder = "" if isinstance(clips, bytes) else str(clips)
    if isinstance(clips, bytes):
        archives.check(clips)
    directory = make.new_directory()
    write_atomically(Path(settings.DATA) / directory / TABLE, table)
    if isinstance(clips, bytes):
        write_atomically(Path(settings.DATA) / directory / ARCHIVE, clips)
    try:
        with transaction.atomic():
            run = Run.objects.create(
                name=name, directory=directory, config={"items": {"clips": folder}},
                origin=Run.Origin.ITEMS, state=Run.State.QUEUED, project=project,
                created_by=created_by,
            )  # fmt: skip
            jobs.enqueue(kind=lifecycle.ITEMS_KIND, target=run.pk, queue=Job.Queue.CPU)
    except IntegrityError as error:
        make.remove(directory)
        raise RunError(f"a run named {name!r} already exists") from error
    return run


def finish(*, run: Run, lease: jobs.JobLease) -> None:
    """Check the table; make its rows, or keep its faults. Called by the task."""
    own = Path(settings.DATA) / run.directory
    table, faults = _checked(run, own)
    reason = _counted(len(faults)) if table is None else _known(table, run)
    if table is not None and not reason:
        make.copy_clips(table, run.directory)
    with transaction.atomic():
        lease.lock()
        if table is not None and not reason:
            make.fill(run, table)
        else:
            run.facets = {"faults": [str(fault) for fault in faults[:MOST_SHOWN]]}
            run.save(update_fields=["facets"])
            stages.note_run_failed(run, reason)
    # The clips that are used were copied by their hashes.
    (own / ARCHIVE).unlink(missing_ok=True)
    shutil.rmtree(own / UNPACKED, ignore_errors=True)
    if reason:
        raise jobs.WorkError(reason)


def _checked(run: Run, own: Path) -> tuple[ItemTable | None, list[Fault]]:
    """The table, or its faults; the clips of a ZIP are unpacked first."""
    folder = Path(run.config["items"]["clips"] or own / UNPACKED)
    if not run.config["items"]["clips"]:
        try:
            archives.unpack((own / ARCHIVE).read_bytes(), folder)
        except RunError as error:
            return None, [Fault(0, str(error))]
    return check((own / TABLE).read_bytes(), folder)


def _counted(n: int) -> str:
    return f"the table has {'1 fault' if n == 1 else f'{n:,} faults'}; nothing was made"


def _known(table: ItemTable, run: Run) -> str:
    """Why an equal table is not taken twice: its features would have the same names."""
    other = make.equal_table(table, run.project)
    return f"these items are already there as {other.name!r}" if other else ""
