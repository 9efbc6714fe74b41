"""Runs: made, queued, executed by the worker, imported, turned into rows.

The one module of the site, beside `tasks.py`, that reaches the pipeline. The row is the truth and
the broker a bell: whoever holds the run's job (`services/jobs.py`) executes it.
"""

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from studyapp.core.errors import RunError
from studyapp.jobs.services import jobs, outages
from studyapp.models import Job, Project, Run, StageRecord
from studyapp.runs.services import budget, index, policy, stages
from studyapp.runs.services import progress as run_progress
from studyapp.runs.services.configs import refusals, validated
from studyapp.runs.services.folders import (
    check_files,
    check_stages,
    directory_of,
    new_directory,
    rows_of,
    run_directory,
    stored,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    from pipeline.config import RunConfig

logger = logging.getLogger(__name__)

KIND, IMPORT_KIND = "run", "import_run"
STARTABLE = (Run.State.NEW, Run.State.FAILED, Run.State.STOPPED)
MOVING = (Run.State.QUEUED, Run.State.RUNNING)
HEAVY_STAGES = frozenset({"activations", "sae", "features", "labels", "scores"})
"""Stages that use the config's device."""


def create_run(
    *,
    name: str,
    config: Mapping[str, Any],
    created_by: AbstractBaseUser | None,
    project: Project | None = None,
    directory: str = "",
) -> Run:
    """A new run under `config`, not yet queued. Without a maker it is the command line's, which
    alone may name its `directory`: what is there must hold the config's key.

    Raises `RunError` if the config is refused, or names what its maker may not name, or the name
    is taken or empty.
    """
    if created_by is not None and not policy.is_trusted(created_by):
        policy.check(config)
    run = Run(name=name.strip(), config=validated(config).to_dict())
    run.directory = directory if directory and created_by is None else new_directory()
    if not run.name:
        raise RunError("a run needs a name")
    run.project = project
    run.created_by_id = created_by.pk if created_by else None
    run.origin = Run.Origin.SITE if created_by else Run.Origin.COMMAND
    try:
        with transaction.atomic():
            run.save()
    except IntegrityError as error:
        raise RunError(f"a run named {name!r} is already there") from error
    return run


@transaction.atomic
def start_run(
    *,
    name: str,
    config: Mapping[str, Any],
    created_by: AbstractBaseUser | None,
    project: Project | None = None,
) -> Run:
    """A new run, queued. Raises `RunError` as `create_run` and `queue_run`; then there is none."""
    run = create_run(name=name, config=config, created_by=created_by, project=project)
    queue_run(run=run)
    return run


def change_config(*, run: Run, config: Mapping[str, Any]) -> None:
    """Give a run that is new or failed another config; its directory refuses what does not fit it.

    Raises `RunError` if the config is refused, or the run is queued, running or done.
    """
    new = validated(config).to_dict()
    changeable = Run.objects.filter(pk=run.pk, state__in=STARTABLE)
    if changeable.update(config=new) != 1:
        raise RunError(f"run {run.name!r} is {run.state}; its config cannot change any more")
    run.config = new


@transaction.atomic
def queue_run(*, run: Run, by: "User | AnonymousUser | None" = None) -> None:
    """Queue a run that is new, failed or stopped; what its stages finished is kept.

    Where its maker may not start it any more, `by` answers for it from now on. Raises `RunError`
    if the run is queued, running or done, or its project, or `by`, may not start it now.
    """
    _check_room(run)
    now: dict[str, Any] = {"state": Run.State.QUEUED, "error": ""}
    if by is not None and policy.must_take_over(run, by):
        now["created_by"] = by.pk
    startable = Run.objects.filter(pk=run.pk, state__in=STARTABLE)
    if startable.update(**now) != 1:
        run.refresh_from_db(fields=["state"])
        raise RunError(
            f"run {run.name!r} is {run.state}; only a new, failed or stopped run can be queued"
        )
    run.refresh_from_db(fields=[*now])
    _enqueue(run)


def redo_stage(*, run: Run, stage: str, by: "User | AnonymousUser | None" = None) -> list[str]:
    """Make a finished stage again, with what follows from it; the names of what is forgotten.

    The run's rows of features go, and come again with the last stage. Rows go first: whatever ends
    this half-way leaves a stopped run that can go on, never one that is called done without files.
    Raises `RunError` if the run moves, a study stands on it, it was imported, its folder is another
    run's too, the stage is not done, or it may not be queued, by `by` as by `queue_run`.
    """
    from pipeline.errors import PipelineError
    from pipeline.run import forget

    _check_redo(run, stage)
    policy.must_take_over(run, by)  # Refused before anything is undone.
    _undo_rows(run, stage)
    try:
        forgotten = forget(directory_of(run=run), stage)
    except (PipelineError, OSError) as error:
        raise RunError(f"{error}; the run is stopped, and can go on from what is there") from error
    finally:
        stages.lay_out(run)
    queue_run(run=run, by=by)
    return list(forgotten)


@transaction.atomic
def stop_run(*, run: Run) -> None:
    """Stop a queued or running run: its worker leaves the stage at its next sign of progress.

    Raises `RunError` if it is neither.
    """
    # In a worker's order, job before run: the other way round the two would wait for each other.
    jobs.stop(kind=kind_of(run), target=run.pk)
    running = run.stages.filter(state=StageRecord.State.RUNNING)
    running.update(state=StageRecord.State.STOPPED)
    moving = Run.objects.filter(pk=run.pk, state__in=MOVING)
    if moving.update(state=Run.State.STOPPED, finished_at=timezone.now()) != 1:
        run.refresh_from_db(fields=["state"])
        raise RunError(f"run {run.name!r} is {run.state}; only one that moves can be stopped")
    run.state = Run.State.STOPPED


def kind_of(run: Run) -> str:
    """The kind of job that brings a run on: an imported one is checked, never executed."""
    return IMPORT_KIND if run.origin == Run.Origin.IMPORT else KIND


def queue_of(*, config: Mapping[str, Any], stage: str) -> str:
    """The queue whose workers a stage belongs to."""
    methods = config.get("labels", {}).get("methods") or ()
    if stage == "labels" and any(map(budget.is_remote, methods)):
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
            outages.patiently(lambda: jobs.release(held, queue=queue))
            return True
        outages.patiently(lambda: index_run(run=run, held=held))
    except BusyError as error:
        logger.warning("run %s waits: %s", run.name, error)
        outages.patiently(lambda: jobs.defer(held))
        return True
    except (PipelineError, RunError) as error:
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
    directory = run_directory(run)
    identifier = directory.description("key")["key"][:12]
    with transaction.atomic():
        if held is not None:
            held.lock()
        made = index.make_rows(run=run, files=directory)
        done = {"state": Run.State.DONE, "error": "", "identifier": identifier}
        Run.objects.filter(pk=run.pk).update(**done, finished_at=timezone.now())
    run.refresh_from_db()
    return made


def import_run(*, directory: Path, name: str, project: Project | None = None) -> Run:
    """A row for a finished run directory, made elsewhere; every hash in its manifest is checked.

    Raises `RunError` if the directory is no finished run, a file differs, or the name is taken.
    """
    with refusals(), transaction.atomic():
        run = _registered(directory, name, Run.State.NEW, project)
        check_files(run_directory(run))
        index_run(run=run)
    return run


def request_import(*, directory: Path, name: str, project: Project | None) -> Run:
    """As `import_run`, but a worker checks the hashes: a run has gigabytes.

    Raises `RunError` at once if the directory is no finished run, or the name is taken.
    """
    with refusals(), transaction.atomic():
        run = _registered(directory, name, Run.State.QUEUED, project)
        jobs.enqueue(kind=IMPORT_KIND, target=run.pk, queue=Job.Queue.CPU)
    return run


def finish_import(*, run: Run, held: jobs.Held) -> None:
    """Check and index what `request_import` registered. Called by the task."""
    try:
        with refusals():
            files = run_directory(run)
            check_stages(files)
            check_files(files, check=jobs.Checker(held))
            index_run(run=run, held=held)
    except RunError as error:
        _fail(run, held, str(error))
        raise jobs.WorkError(str(error)) from error


def give_run(*, run: Run, project: Project | None) -> None:
    """Give a run to a project, or to administrators only. Raises `RunError` if it moves."""
    still = Run.objects.filter(pk=run.pk).exclude(state__in=MOVING)
    if still.update(project=project) != 1:
        raise RunError(f"run {run.name!r} is under way; stop it first")
    run.project = project


def _registered(directory: Path, name: str, state: str, project: Project | None) -> Run:
    """The row of a run directory whose every stage is done."""
    from pipeline.store.run_directory import RunDirectory

    files = RunDirectory(directory)
    config = files.description().get("config")
    if not isinstance(config, dict):
        raise RunError(f"{files.path} has a run.json without a config; is it a run directory?")
    check_stages(files)
    if other := rows_of(files.path):
        raise RunError(f"{files.path} is the folder of run {other[0].name!r}, which is here")
    try:
        with transaction.atomic():
            run = Run.objects.create(
                name=name, directory=stored(files.path), config=config, state=state,
                origin=Run.Origin.IMPORT, project=project,
            )  # fmt: skip
    except IntegrityError as error:
        raise RunError(f"a run named {name!r} is already there") from error
    stages.lay_out(run)
    return run


def recover_runs() -> int:
    """Give a job to every run that is to move and has none; how many there were.

    A run whose job was given up, its workers having died on it, fails with that reason instead.
    """
    unfinished = Job.objects.filter(
        kind__in=(KIND, IMPORT_KIND), target=OuterRef("pk"), state__in=jobs.UNFINISHED
    )
    lost = list(Run.objects.filter(~Exists(unfinished), state__in=MOVING))
    for run in lost:
        last = Job.objects.filter(kind=kind_of(run), target=run.pk).order_by("-pk").first()
        if last is not None and last.state == Job.State.FAILED:
            _note_failed(run, last.error)
        else:
            jobs.enqueue(kind=kind_of(run), target=run.pk, queue=_next_queue(run))
    return len(lost)


@transaction.atomic
def _check_room(run: Run) -> None:
    """Raise `RunError` if the run's project may start none, or has as many under way as it may."""
    if run.project_id is None:
        return
    # The lock makes two that come at once count each other.
    project = Project.objects.select_for_update(no_key=True).get(pk=run.project_id)
    if not project.may_start_runs:
        raise RunError(f"project {project} may not start runs; an administrator can allow it")
    moving = Run.objects.filter(project=project, state__in=MOVING).exclude(pk=run.pk).count()
    if moving >= settings.RUNS_PER_PROJECT:
        raise RunError(
            f"project {project} has {moving} runs waiting or running, and may have "
            f"{settings.RUNS_PER_PROJECT}; wait for one to end, or stop one"
        )


def _enqueue(run: Run) -> None:
    stages.lay_out(run)
    queue = Job.Queue.CPU if run.origin == Run.Origin.IMPORT else _next_queue(run)
    jobs.enqueue(kind=kind_of(run), target=run.pk, queue=queue)


def _check_redo(run: Run, stage: str) -> None:
    """Raise `RunError` if no stage of the run can be made again, or not this one."""
    from pipeline.run import STAGES

    if study := run.studies.first():
        raise RunError(f"{study} stands on run {run.name!r}: its features stay as they are")
    if run.origin == Run.Origin.IMPORT or Path(run.directory).is_absolute():
        raise RunError(f"run {run.name!r} was made elsewhere; make it again there and import that")
    if others := [one for one in rows_of(directory_of(run=run)) if one.pk != run.pk]:
        raise RunError(f"run {others[0].name!r} has the same folder: its files stay as they are")
    if stage not in STAGES:
        raise RunError(f"unknown stage {stage!r}; known: {', '.join(STAGES)}")
    _check_room(run)
    with refusals():
        files = run_directory(run)
        if not files.is_done(stage):
            raise RunError(f"stage {stage} of run {run.name!r} is not done: nothing to redo")
        with files.lock():
            pass  # Somebody is in it still: found out before anything is undone.


@transaction.atomic
def _undo_rows(run: Run, stage: str) -> None:
    """Call a run that does not move stopped, and take the stage and all features away."""
    still = Run.objects.filter(pk=run.pk).exclude(state__in=MOVING)
    undone: dict[str, Any] = {"state": Run.State.STOPPED, "error": "", "facets": {}}
    if still.update(**undone, finished_at=None) != 1:
        raise RunError(f"run {run.name!r} is under way; stop it first")
    run.features.all().delete()
    run.clips.all().delete()
    first = run.stages.get(stage=stage).order
    run.stages.filter(order__gte=first).update(state=StageRecord.State.WAITING)
    run.refresh_from_db()


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
    from pipeline.run import STAGES, execute_stage, prepare

    out, executed = directory_of(run=run), False
    for stage in STAGES:
        record = run.stages.get(stage=stage)
        if record.state == StageRecord.State.DONE:
            continue
        queue = queue_of(config=run.config, stage=stage)
        if queue != held.job.queue:
            return queue
        config = outages.patiently(partial(_begin_stage, run, record, held))
        progress = run_progress.RowProgress(record, check=jobs.Checker(held))
        directory = execute_stage(config, out, stage, progress=progress)
        executed = True
        entry = directory.manifest()["stages"][stage]
        outages.patiently(partial(stages.note_done, record, held, entry))
    if not executed:
        # No stage has held the folder's key against the config: nothing there is this run's yet.
        prepare(_config_for(run, ""), out)
    return ""


@transaction.atomic
def _begin_stage(run: Run, record: StageRecord, held: jobs.Held) -> "RunConfig":
    """Call a stage running; the config that it runs under. Raises as `_config_for`."""
    if run.project_id is not None:
        # Two runs of a project that begin at once must not both find the same money left.
        Project.objects.select_for_update(no_key=True).get(pk=run.project_id)
    config = _config_for(run, record.stage)
    stages.note_running(record, held)
    return config


def _config_for(run: Run, stage: str) -> "RunConfig":
    """The config as this stage runs under it: checked again, with what settings decide.

    Raises `RunError` if its maker may not start it any more, or not name what it names, or the
    project's money is gone; `BusyError` if another run of the project is spending it.
    """
    run.refresh_from_db(fields=["created_by", "project"])
    policy.check_maker(run)
    config: dict[str, Any] = dict(run.config)
    if policy.is_guarded(run):
        policy.check(config)
        config = policy.imposed(config)
    made = validated(config)
    if stage == "labels" and run.project_id is not None and budget.is_paid(config):
        return made.with_ceiling(_ceiling_for(run))
    return made


def _ceiling_for(run: Run) -> float:
    from pipeline.errors import BusyError

    if other := budget.asking(run):
        raise BusyError(f"run {other.name!r} of the same project is asking Gemini")
    with refusals():
        ceiling = budget.ceiling(run)
    if ceiling <= 0:
        raise RunError(
            f"project {run.project} has spent its ${settings.GEMINI_BUDGET:g} for Gemini; an "
            "administrator can raise EARWITNESS_GEMINI_BUDGET"
        )
    return ceiling


@transaction.atomic
def _fail(run: Run, held: jobs.Held, reason: str) -> None:
    """Write the one line; the stages' rows keep what they reached."""
    held.lock()
    _note_failed(run, reason)


@transaction.atomic
def _note_failed(run: Run, reason: str) -> None:
    logger.warning("run %s failed: %s", run.name, reason)
    run.stages.filter(state=StageRecord.State.RUNNING).update(state=StageRecord.State.FAILED)
    failed = {"state": Run.State.FAILED, "error": reason}
    Run.objects.filter(pk=run.pk).update(**failed, finished_at=timezone.now())
