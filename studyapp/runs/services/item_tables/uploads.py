"""Tables of items uploaded on a page: kept in the data folder, then checked by a worker.

Decoding every clip takes minutes, and libraries that the web process never loads. The clips lie in
a folder of this machine, as a run's corpus does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import IntegrityError, transaction

from studyapp.core.errors import RunError
from studyapp.core.storage import write_atomically
from studyapp.jobs.services import jobs
from studyapp.models import Job, Project, Run
from studyapp.runs.services import lifecycle, stages
from studyapp.runs.services.item_tables import make
from studyapp.runs.services.item_tables.check import ItemTable, check

if TYPE_CHECKING:
    from django.contrib.auth.models import User

TABLE = "items.csv"
MOST_SHOWN = 1_000
"""Faults that are kept to be shown."""


def request(
    *, table: bytes, folder: Path, name: str, project: Project | None, created_by: User | None
) -> Run:
    """Keep the table and have a worker check it. Raises `RunError` if the name is taken."""
    directory = make.new_directory()
    write_atomically(Path(settings.DATA) / directory / TABLE, table)
    try:
        with transaction.atomic():
            run = Run.objects.create(
                name=name, directory=directory, config={"items": {"clips": str(folder)}},
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
    data = (Path(settings.DATA) / run.directory / TABLE).read_bytes()
    table, faults = check(data, Path(run.config["items"]["clips"]))
    reason = _counted(len(faults)) if table is None else _known(table, run)
    if table is not None and not reason:
        make.copy_clips(table, run.directory)
    with transaction.atomic():
        lease.lock()
        if table is not None and not reason:
            make.fill(run, table)
            return
        run.facets = {"faults": [str(fault) for fault in faults[:MOST_SHOWN]]}
        run.save(update_fields=["facets"])
        stages.note_run_failed(run, reason)
    raise jobs.WorkError(reason)


def _counted(n: int) -> str:
    return f"the table has {'1 fault' if n == 1 else f'{n:,} faults'}; nothing was made"


def _known(table: ItemTable, run: Run) -> str:
    """Why an equal table is not taken twice: its features would have the same names."""
    other = make.equal_table(table, run.project)
    return f"these items are already there as {other.name!r}" if other else ""
