"""Runs: made, queued, executed by the worker, imported, turned into rows.

The one module of the site, beside `tasks.py`, that reaches the pipeline. The row is the truth and
the broker a bell: whoever changes a run from queued to running in the database executes it.
"""

import logging
import threading
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, close_old_connections, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.text import slugify
from kombu.exceptions import OperationalError

from studyapp.celery import app
from studyapp.models import Run, StageRecord
from studyapp.services import jobs, run_index, run_progress

if TYPE_CHECKING:
    from pipeline.artifacts import RunDirectory
    from pipeline.config import RunConfig

logger = logging.getLogger(__name__)

RUN_TASK = "studyapp.run_pipeline"
STARTABLE = (Run.State.NEW, Run.State.FAILED)
ABANDONED_AFTER = timedelta(seconds=60)
"""A running run whose worker gave no sign of life for so long is queued again."""
RECOVERY_SECONDS = 15.0
"""Each worker looks so often for what is abandoned or waits."""
BELL_SECONDS = 60.0


class RunError(Exception):
    """A refusal whose message is the one line that the user reads."""


def config_from_toml(*, text: str, base: Path | None = None) -> dict[str, Any]:
    """A config's plain dict from TOML; relative paths count from `base` (default: the project).

    Raises `RunError` on what is not TOML and on what the pipeline refuses.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RunError(f"the config is not TOML: {error}") from error
    return _validated(raw, base=base or settings.BASE_DIR).to_dict()


def directory_of(*, run: Run) -> Path:
    """The run's directory as an absolute path."""
    return Path(settings.DATA) / run.directory


def create_run(*, name: str, config: Mapping[str, Any], created_by: AbstractBaseUser | None) -> Run:
    """A new run under `config`, not yet queued.

    Raises `RunError` if the config is refused or the name is taken or empty.
    """
    validated = _validated(config, base=settings.BASE_DIR)
    slug = slugify(name)
    if not slug:
        raise RunError(f"the name {name!r} holds no letter or digit; it names the run's directory")
    run = Run(name=name, directory=f"runs/{slug}", config=validated.to_dict())
    run.created_by_id = created_by.pk if created_by else None
    try:
        with transaction.atomic():
            run.save()
    except IntegrityError as error:
        raise RunError(f"a run named {name!r}, or with its directory, is already there") from error
    return run


def change_config(*, run: Run, config: Mapping[str, Any]) -> None:
    """Give a run that is new or failed another config; its directory refuses what does not fit it.

    Raises `RunError` if the config is refused, or the run is queued, running or done.
    """
    validated = _validated(config, base=settings.BASE_DIR)
    changeable = Run.objects.filter(pk=run.pk, state__in=STARTABLE)
    if changeable.update(config=validated.to_dict()) != 1:
        raise RunError(f"run {run.name!r} is {run.state}; its config cannot change any more")
    run.config = validated.to_dict()


@transaction.atomic
def queue_run(*, run: Run) -> None:
    """Queue a run that is new or failed, and ring the bell once the row is committed.

    Raises `RunError` if the run is queued, running or done.
    """
    startable = Run.objects.filter(pk=run.pk, state__in=STARTABLE)
    if startable.update(state=Run.State.QUEUED, error="") != 1:
        run.refresh_from_db(fields=["state"])
        raise RunError(f"run {run.name!r} is {run.state}; only a new or failed run can be queued")
    run.state, run.error = Run.State.QUEUED, ""
    _lay_out_stages(run)
    transaction.on_commit(partial(_ring, run.pk))


def run_pipeline(*, run: Run) -> None:
    """Execute the run's stages and index it; the outcome is in its rows. Called by the task.

    A run that somebody else has claimed is left alone. What was done before is not done again.
    """
    from pipeline.errors import PipelineError

    if not _claim(run):
        return
    try:
        with run_progress.heartbeat(run):
            _execute_stages(run)
            index_run(run=run)
    except PipelineError as error:
        _fail(run, str(error))
    except Exception as error:
        # The row must say it too: the worker's log is not what a researcher looks at.
        _fail(run, f"{type(error).__name__}: {error}".splitlines()[0])
        raise


def index_run(*, run: Run) -> int:
    """Turn the run's directory into rows and call the run done; the number of its features.

    Harmless on a run that is indexed. Raises `PipelineError` if a file cannot be read.
    """
    directory = _run_directory(run)
    identifier = directory.read_json("run.json")["key"][:12]
    with transaction.atomic():
        made = run_index.make_rows(run=run, files=directory)
        done = {"state": Run.State.DONE, "error": "", "identifier": identifier}
        Run.objects.filter(pk=run.pk).update(**done, finished_at=timezone.now())
    run.refresh_from_db()
    return made


def import_run(*, directory: Path, name: str) -> Run:
    """A row for a finished run directory, made elsewhere; every hash in its manifest is checked.

    Raises `RunError` if the directory is no finished run, a file differs, or the name is taken.
    """
    from pipeline.artifacts import RunDirectory
    from pipeline.errors import PipelineError

    files = RunDirectory(directory)
    try:
        config = files.read_json("run.json")["config"]
        _check_finished(files)
        with transaction.atomic():
            run = Run.objects.create(name=name, directory=str(files.path), config=config)
            _lay_out_stages(run)
            index_run(run=run)
    except PipelineError as error:
        raise RunError(str(error)) from error
    except IntegrityError as error:
        raise RunError(f"a run named {name!r}, or of this directory, is already there") from error
    return run


def recover_runs(*, sole_worker: bool = False) -> int:
    """Queue again what a lost worker left running, and ring for all that is queued; how many rang.

    `sole_worker`: no other worker can exist, so whatever is called running is abandoned.
    """
    abandoned = Run.objects.filter(state=Run.State.RUNNING)
    if not sole_worker:
        alive = StageRecord.objects.filter(
            run=OuterRef("pk"), heartbeat_at__gte=timezone.now() - ABANDONED_AFTER
        )
        abandoned = abandoned.filter(~Exists(alive))
    lost = list(abandoned.values_list("pk", flat=True))
    Run.objects.filter(pk__in=lost, state=Run.State.RUNNING).update(state=Run.State.QUEUED)
    waiting = list(Run.objects.filter(state=Run.State.QUEUED).values_list("pk", flat=True))
    for pk in waiting:
        _ring(pk)
    return len(waiting)


def start_recovery() -> None:
    """In a worker that is ready: recover now and go on looking, in a thread that ends with it."""

    def look() -> None:
        sole = not settings.REDIS_URL
        over = threading.Event()
        while True:
            close_old_connections()
            try:
                recover_runs(sole_worker=sole)
                jobs.sweep(sole_worker=sole)
            except Exception:  # The database may be away: logged, and the next look is in seconds.
                logger.exception("looking for abandoned runs failed; trying again")
            sole = False
            over.wait(RECOVERY_SECONDS)

    threading.Thread(target=look, daemon=True, name="recovery").start()


def _validated(config: Mapping[str, Any], *, base: Path) -> "RunConfig":
    from pipeline.config import config_from_dict
    from pipeline.errors import PipelineError

    try:
        return config_from_dict(config, base=base)
    except PipelineError as error:
        raise RunError(str(error)) from error


def _run_directory(run: Run) -> "RunDirectory":
    from pipeline.artifacts import RunDirectory

    return RunDirectory(directory_of(run=run))


@transaction.atomic
def _claim(run: Run) -> bool:
    """Whether this process is the one that executes the run."""
    # The heartbeat comes with the claim: a running run without one counts as abandoned.
    run.stages.update(heartbeat_at=timezone.now())
    queued = Run.objects.filter(pk=run.pk, state=Run.State.QUEUED)
    return queued.update(state=Run.State.RUNNING) == 1


def _execute_stages(run: Run) -> None:
    from pipeline.config import config_from_dict
    from pipeline.run import STAGES, execute_stage

    config, out = config_from_dict(run.config), directory_of(run=run)
    for stage in STAGES:
        record = run.stages.get(stage=stage)
        record.state = StageRecord.State.RUNNING
        record.save(update_fields=["state"])
        progress = run_progress.RowProgress(record)
        directory = execute_stage(config, out, stage, progress=progress)
        _note_done(record, directory.manifest()["stages"][stage])


def _lay_out_stages(run: Run) -> None:
    """One row a stage; what the manifest calls done is done, everything else waits."""
    from pipeline.run import STAGES

    finished = _run_directory(run).manifest()["stages"]
    run.stages.all().delete()
    for order, stage in enumerate(STAGES):
        record = StageRecord.objects.create(run=run, stage=stage, order=order)
        if stage in finished:
            _note_done(record, finished[stage])


def _note_done(record: StageRecord, entry: Mapping[str, Any]) -> None:
    record.state = StageRecord.State.DONE
    record.summary, record.seconds = entry["summary"], entry["seconds"]
    record.done = max(record.done, record.total)
    record.save()


def _fail(run: Run, reason: str) -> None:
    """Write the one line; the stages' rows keep what they reached."""
    logger.warning("run %s failed: %s", run.name, reason)
    run.stages.filter(state=StageRecord.State.RUNNING).update(state=StageRecord.State.FAILED)
    failed = {"state": Run.State.FAILED, "error": reason}
    Run.objects.filter(pk=run.pk).update(**failed, finished_at=timezone.now())


def _check_finished(files: "RunDirectory") -> None:
    from pipeline.artifacts import sha256_of
    from pipeline.run import STAGES

    stages = files.manifest()["stages"]
    missing = [stage for stage in STAGES if stage not in stages]
    if missing:
        raise RunError(f"{files.path} is not a finished run: {', '.join(missing)} not done")
    for relative, sha256 in (pair for s in stages.values() for pair in s["files"].items()):
        path = files.path_of(relative)
        if not path.is_file() or sha256_of(path) != sha256:
            raise RunError(f"{path} is missing or differs from its hash in the manifest")


def _ring(pk: int) -> None:
    """Tell a worker; if the broker is away, the recovery of the next worker finds the row."""
    try:
        # A bell that nobody heard for long is rung again, so it need not be kept.
        app.send_task(RUN_TASK, args=[pk], retry=False, expires=BELL_SECONDS)
    except OperationalError as error:
        logger.warning("the broker cannot be reached, run %s waits: %s", pk, error)
