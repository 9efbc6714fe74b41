"""Runs: made, queued, executed by the worker, imported, turned into rows.

The one module of the site, beside `tasks.py`, that reaches the pipeline. The row is the truth and
the broker a bell: whoever holds the run's job (`services/jobs.py`) executes it.
"""

import logging
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.text import slugify

from studyapp.models import Job, Project, Run, StageRecord
from studyapp.services import jobs, run_index, run_progress

if TYPE_CHECKING:
    from pipeline.artifacts import RunDirectory
    from pipeline.config import RunConfig

logger = logging.getLogger(__name__)

KIND, IMPORT_KIND = "run", "import_run"
STARTABLE = (Run.State.NEW, Run.State.FAILED, Run.State.STOPPED)
MOVING = (Run.State.QUEUED, Run.State.RUNNING)
REMOTE_METHODS = frozenset({"gemini"})
"""Labelers that wait for somebody else's computer: their stage takes no turn of ours."""
HEAVY_STAGES = frozenset({"activations", "sae", "features", "labels", "scores"})
"""Stages that use the config's device."""


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


def create_run(
    *,
    name: str,
    config: Mapping[str, Any],
    created_by: AbstractBaseUser | None,
    project: Project | None = None,
) -> Run:
    """A new run under `config`, not yet queued.

    Raises `RunError` if the config is refused or the name is taken or empty.
    """
    validated = _validated(config, base=settings.BASE_DIR)
    slug = slugify(name)
    if not slug:
        raise RunError(f"the name {name!r} holds no letter or digit; it names the run's directory")
    run = Run(name=name, directory=f"runs/{slug}", config=validated.to_dict())
    run.project = project
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
    """Queue a run that is new, failed or stopped; what its stages finished is kept.

    Raises `RunError` if the run is queued, running or done.
    """
    startable = Run.objects.filter(pk=run.pk, state__in=STARTABLE)
    if startable.update(state=Run.State.QUEUED, error="") != 1:
        run.refresh_from_db(fields=["state"])
        raise RunError(
            f"run {run.name!r} is {run.state}; only a new, failed or stopped run can be queued"
        )
    run.state, run.error = Run.State.QUEUED, ""
    _lay_out_stages(run)
    jobs.enqueue(kind=KIND, target=run.pk, queue=_next_queue(run))


@transaction.atomic
def redo_stage(*, run: Run, stage: str) -> list[str]:
    """Make a finished stage anew, with what follows from it; the names of what is forgotten.

    The run's rows of features go, and come again with the last stage. Raises `RunError` if the
    run moves, a study stands on it, it was imported, or the stage is not done.
    """
    from pipeline.errors import PipelineError
    from pipeline.run import forget

    if study := run.studies.first():
        raise RunError(f"{study} stands on run {run.name!r}: its features stay as they are")
    if Path(run.directory).is_absolute():
        raise RunError(f"run {run.name!r} was made elsewhere; make it anew there, import it again")
    still = Run.objects.filter(pk=run.pk).exclude(state__in=MOVING)
    queued: dict[str, Any] = {"state": Run.State.QUEUED, "error": "", "facets": {}}
    if still.update(**queued, finished_at=None) != 1:
        raise RunError(f"run {run.name!r} moves; stop it first")
    run.features.all().delete()
    run.clips.all().delete()
    try:
        forgotten = forget(directory_of(run=run), stage)
    except PipelineError as error:
        raise RunError(str(error)) from error
    run.refresh_from_db()
    _lay_out_stages(run)
    jobs.enqueue(kind=KIND, target=run.pk, queue=_next_queue(run))
    return list(forgotten)


@transaction.atomic
def stop_run(*, run: Run) -> None:
    """Stop a queued or running run: its worker leaves the stage at its next sign of progress.

    Raises `RunError` if it is neither.
    """
    moving = Run.objects.filter(pk=run.pk, state__in=MOVING)
    if moving.update(state=Run.State.STOPPED, finished_at=timezone.now()) != 1:
        run.refresh_from_db(fields=["state"])
        raise RunError(f"run {run.name!r} is {run.state}; only one that moves can be stopped")
    jobs.stop(kind=KIND, target=run.pk)
    running = run.stages.filter(state=StageRecord.State.RUNNING)
    running.update(state=StageRecord.State.STOPPED)
    run.state = Run.State.STOPPED


def is_remote(method: str) -> bool:
    """Whether a labeling method (`METHOD` or `METHOD@MODEL`) asks a paid remote service."""
    return method.partition("@")[0] in REMOTE_METHODS


def queue_of(*, config: Mapping[str, Any], stage: str) -> str:
    """The queue whose workers a stage belongs to."""
    methods = config.get("labels", {}).get("methods") or ()
    if stage == "labels" and any(map(is_remote, methods)):
        return Job.Queue.API
    device = config.get("machine", {}).get("device", "cpu")
    return Job.Queue.GPU if stage in HEAVY_STAGES and device != "cpu" else Job.Queue.CPU


def run_pipeline(*, run: Run, held: jobs.Held) -> bool:
    """Execute the run's stages of the job's queue, and index it after the last.

    True if the job was put back: for another queue's workers, or because another process is still
    in the run directory. Raises `jobs.WorkError` with the pipeline's one line, which is in the
    run's row then; `jobs.LostError` if the run was stopped or taken over.
    """
    from pipeline.errors import BusyError, PipelineError

    _begin(run, held)
    try:
        if queue := _execute_stages(run, held):
            jobs.release(held, queue=queue)
            return True
        index_run(run=run, held=held)
    except BusyError as error:
        logger.warning("run %s waits: %s", run.name, error)
        jobs.release(held)
        return True
    except PipelineError as error:
        _fail(run, held, str(error))
        raise jobs.WorkError(str(error)) from error
    except jobs.LostError:
        raise
    except Exception as error:
        # The row must say it too: the worker's log is not what a researcher looks at.
        _fail(run, held, f"{type(error).__name__}: {error}".splitlines()[0])
        raise
    return False


def index_run(*, run: Run, held: jobs.Held | None = None) -> int:
    """Turn the run's directory into rows and call the run done; the number of its features.

    Where a job does it, only while it is `held`.

    Harmless on a run that is indexed. Raises `PipelineError` if a file cannot be read.
    """
    directory = _run_directory(run)
    identifier = directory.read_json("run.json")["key"][:12]
    with transaction.atomic():
        if held is not None:
            held.lock()
        made = run_index.make_rows(run=run, files=directory)
        done = {"state": Run.State.DONE, "error": "", "identifier": identifier}
        Run.objects.filter(pk=run.pk).update(**done, finished_at=timezone.now())
    run.refresh_from_db()
    return made


def import_run(*, directory: Path, name: str) -> Run:
    """A row for a finished run directory, made elsewhere; every hash in its manifest is checked.

    Raises `RunError` if the directory is no finished run, a file differs, or the name is taken.
    """
    from pipeline.errors import PipelineError

    try:
        with transaction.atomic():
            run = _registered(directory, name, Run.State.NEW)
            _check_files(_run_directory(run))
            index_run(run=run)
    except PipelineError as error:
        raise RunError(str(error)) from error
    return run


def request_import(*, directory: Path, name: str, project: Project | None) -> Run:
    """As `import_run`, but a worker checks the hashes: a run has gigabytes.

    Raises `RunError` at once if the directory is no finished run, or the name is taken.
    """
    from pipeline.errors import PipelineError

    try:
        with transaction.atomic():
            run = _registered(directory, name, Run.State.QUEUED)
            run.project = project
            run.save(update_fields=["project"])
            jobs.enqueue(kind=IMPORT_KIND, target=run.pk, queue=Job.Queue.CPU)
    except PipelineError as error:
        raise RunError(str(error)) from error
    return run


def finish_import(*, run: Run, held: jobs.Held) -> None:
    """Check and index what `request_import` registered. Called by the task."""
    from pipeline.errors import PipelineError

    try:
        _check_files(_run_directory(run))
        index_run(run=run, held=held)
    except (RunError, PipelineError) as error:
        _fail(run, held, str(error))
        raise jobs.WorkError(str(error)) from error


def _registered(directory: Path, name: str, state: str) -> Run:
    """The row of a run directory whose every stage is done."""
    from pipeline.artifacts import RunDirectory

    files = RunDirectory(directory)
    config = files.read_json("run.json")["config"]
    _check_stages(files)
    try:
        with transaction.atomic():
            run = Run.objects.create(
                name=name, directory=str(files.path), config=config, state=state
            )
    except IntegrityError as error:
        raise RunError(f"a run named {name!r}, or of this directory, is already there") from error
    _lay_out_stages(run)
    return run


def recover_runs() -> int:
    """Give a job to every run that is to move and has none; how many there were."""
    unfinished = Job.objects.filter(
        kind__in=(KIND, IMPORT_KIND), target=OuterRef("pk"), state__in=jobs.UNFINISHED
    )
    lost = list(Run.objects.filter(~Exists(unfinished), state__in=MOVING))
    for run in lost:
        jobs.enqueue(kind=KIND, target=run.pk, queue=_next_queue(run))
    return len(lost)


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
def _begin(run: Run, held: jobs.Held) -> None:
    """Call the run running; a stage that a lost worker left in the middle waits again."""
    held.lock()
    Run.objects.filter(pk=run.pk, state__in=MOVING).update(state=Run.State.RUNNING, error="")
    left = run.stages.filter(state=StageRecord.State.RUNNING)
    left.update(state=StageRecord.State.WAITING)


def _next_queue(run: Run) -> str:
    """The queue of the first stage that is not done."""
    waiting = run.stages.exclude(state=StageRecord.State.DONE).order_by("order").first()
    return queue_of(config=run.config, stage=waiting.stage if waiting else "")


def _execute_stages(run: Run, held: jobs.Held) -> str:
    """Run what is not done, up to the first stage of another queue: that one's name, or none."""
    from pipeline.config import config_from_dict
    from pipeline.run import STAGES, execute_stage

    config, out = config_from_dict(run.config), directory_of(run=run)
    for stage in STAGES:
        record = run.stages.get(stage=stage)
        if record.state == StageRecord.State.DONE:
            continue
        queue = queue_of(config=run.config, stage=stage)
        if queue != held.job.queue:
            return queue
        _note_running(record, held)
        progress = run_progress.RowProgress(record, check=jobs.Checker(held))
        directory = execute_stage(config, out, stage, progress=progress)
        with transaction.atomic():
            held.lock()
            _note_done(record, directory.manifest()["stages"][stage])
    return ""


def _note_running(record: StageRecord, held: jobs.Held) -> None:
    with transaction.atomic():
        held.lock()
        record.state, record.started_at = StageRecord.State.RUNNING, timezone.now()
        record.save(update_fields=["state", "started_at"])


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


@transaction.atomic
def _fail(run: Run, held: jobs.Held, reason: str) -> None:
    """Write the one line; the stages' rows keep what they reached."""
    held.lock()
    logger.warning("run %s failed: %s", run.name, reason)
    run.stages.filter(state=StageRecord.State.RUNNING).update(state=StageRecord.State.FAILED)
    failed = {"state": Run.State.FAILED, "error": reason}
    Run.objects.filter(pk=run.pk).update(**failed, finished_at=timezone.now())


def _check_stages(files: "RunDirectory") -> None:
    from pipeline.run import STAGES

    stages = files.manifest()["stages"]
    missing = [stage for stage in STAGES if stage not in stages]
    if missing:
        raise RunError(f"{files.path} is not a finished run: {', '.join(missing)} not done")


def _check_files(files: "RunDirectory") -> None:
    from pipeline.artifacts import sha256_of

    stages = files.manifest()["stages"]
    for relative, sha256 in (pair for s in stages.values() for pair in s["files"].items()):
        path = files.path_of(relative)
        if not path.is_file() or sha256_of(path) != sha256:
            raise RunError(f"{path} is missing or differs from its hash in the manifest")
