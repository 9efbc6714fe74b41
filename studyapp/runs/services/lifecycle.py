"""Runs are created, queued, stopped, re-run and given to projects.

The database row is authoritative; the broker only notifies. Whichever worker holds the lease of the
run's job executes the run (`runs/services/executor.py`). Imported runs are in
`runs/services/imports.py`.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from studyapp.core.errors import RunError
from studyapp.jobs.services import jobs
from studyapp.models import Job, Project, Run, StageRecord
from studyapp.runs.selectors import NAME_LENGTH
from studyapp.runs.services import budget, policy, readiness, stages
from studyapp.runs.services.configs import refusals, validated
from studyapp.runs.services.folders import (
    directory_of,
    new_directory,
    new_remote,
    rows_of,
    run_directory,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

KIND, IMPORT_KIND, ITEMS_KIND = "run", "import_run", "item_table"
QUALITY_KIND = "run_quality"
"""The SAEs of a finished run are measured; see `runs/services/results/quality.py`."""
STEERING_KIND = "run_steering"
"""What steering does is measured; see `runs/services/results/steering.py`."""
STARTABLE = (Run.State.NEW, Run.State.FAILED, Run.State.STOPPED)
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
    """Create a run with this config; it is not queued yet.

    Without `created_by` the run comes from the command line. Only then may `directory` be given:
    the files in it must carry the config's key.

    Raises `RunError` if the config is refused or names something that `created_by` may not name,
    or if the name is taken or empty.
    """
    if created_by is not None and not policy.is_trusted(created_by):
        policy.check(config)
    run = Run(name=name.strip(), config=validated(config).to_dict())
    run.directory = directory if directory and created_by is None else new_directory()
    if run.directory != directory:
        run.remote = new_remote(run.directory)
    if not 0 < len(run.name) <= NAME_LENGTH:
        raise RunError(
            f"the name {run.name!r} has {len(run.name)} characters; a run needs one of 1 to "
            f"{NAME_LENGTH}"
        )
    run.project = project
    run.created_by_id = created_by.pk if created_by else None
    run.origin = Run.Origin.SITE if created_by else Run.Origin.COMMAND
    try:
        with transaction.atomic():
            run.save()
    except IntegrityError as error:
        raise RunError(f"a run named {name!r} already exists") from error
    return run


@transaction.atomic
def start_run(
    *,
    name: str,
    config: Mapping[str, Any],
    created_by: AbstractBaseUser | None,
    project: Project | None = None,
) -> Run:
    """Create a run and queue it. Raises `RunError` as `create_run` and `queue_run` do."""
    run = create_run(name=name, config=config, created_by=created_by, project=project)
    queue_run(run=run)
    return run


@transaction.atomic
def start_runs(
    *,
    name: str,
    configs: Mapping[str, Mapping[str, Any]],
    created_by: AbstractBaseUser | None,
    project: Project | None = None,
) -> list[Run]:
    """Create and queue a run of each config, all or none; several have their subject's name, the
    config's key, in their own. Raises `RunError` as `start_run` does."""
    return [
        start_run(
            name=f"{name.strip()} ({subject})" if subject else name,
            config=config, created_by=created_by, project=project,
        )
        for subject, config in configs.items()
    ]  # fmt: skip


def change_config(*, run: Run, config: Mapping[str, Any]) -> None:
    """Replace the config of a run that is new, failed or stopped.

    When the run starts, its directory refuses a config that does not fit the files in it.
    Raises `RunError` if the config is refused, or if the run is queued, running or done.
    """
    new = validated(config).to_dict()
    changeable = Run.objects.filter(pk=run.pk, state__in=STARTABLE)
    if changeable.update(config=new) != 1:
        raise RunError(f"run {run.name!r} is {run.state}; its config can no longer be changed")
    run.config = new


@transaction.atomic
def queue_run(*, run: Run, by: "User | AnonymousUser | None" = None) -> None:
    """Queue a run that is new, failed or stopped; the results of finished stages are kept.

    If the user who made the run may no longer start it, `by` becomes responsible for it. Raises
    `RunError` if the run is queued, running or done, or if its project or `by` may not start it.
    """
    check_project(run)
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


@transaction.atomic
def restart_run(*, run: Run, by: "User | AnonymousUser") -> None:
    """Queue a run as `queue_run` does. Raises `RunError` too if it would only fail at once."""
    queue_run(run=run, by=by)
    readiness.require(run.config)


def redo_stage(*, run: Run, stage: str, by: "User | AnonymousUser | None" = None) -> list[str]:
    """Re-run a finished stage and the stages after it, and return the names of all of them.

    The features' rows are deleted and made again after the last stage. Rows are deleted before
    files, so that an interruption leaves a stopped run that can continue, and never a run that is
    marked as done without its files. Raises `RunError` if the run is under way, is used by a study,
    was imported or shares its folder with another run, if the stage is not done, if `queue_run`
    would refuse it, or, asked for on a page, if this machine lacks what the run needs.
    """
    from pipeline.errors import PipelineError
    from pipeline.run import forget

    _check_redo(run, stage)
    # Both raise before anything is deleted.
    policy.must_take_over(run, by)
    if by is not None:
        readiness.require(run.config)
    _undo_rows(run, stage)
    try:
        forgotten = forget(run_directory(run), stage)
    except (PipelineError, OSError) as error:
        raise RunError(f"{error}; the run is stopped, and continues once it is queued") from error
    finally:
        stages.create_records(run)
    queue_run(run=run, by=by)
    return list(forgotten)


@transaction.atomic
def stop_run(*, run: Run) -> None:
    """Stop a queued or running run; its worker notices when it next reports progress.

    Raises `RunError` if the run is neither.
    """
    # Lock the job before the run, as a worker does; the other order could cause a deadlock.
    jobs.stop(kind=kind_of(run), target=run.pk)
    running = run.stages.filter(state=StageRecord.State.RUNNING)
    running.update(state=StageRecord.State.STOPPED)
    under_way = Run.objects.filter(pk=run.pk, state__in=Run.UNDER_WAY)
    if under_way.update(state=Run.State.STOPPED, finished_at=timezone.now()) != 1:
        run.refresh_from_db(fields=["state"])
        raise RunError(
            f"run {run.name!r} is {run.state}; only a queued or running one can be stopped"
        )
    run.state = Run.State.STOPPED


def give_run(*, run: Run, project: Project | None) -> None:
    """Move a run to a project, or to no project. Raises `RunError` if it is queued or running."""
    idle = Run.objects.filter(pk=run.pk).exclude(state__in=Run.UNDER_WAY)
    if idle.update(project=project) != 1:
        raise RunError(f"run {run.name!r} is under way; stop it first")
    run.project = project


def is_empty(run: Run) -> bool:
    """Whether the run holds nothing that anyone could miss, and nothing works on it."""
    is_used = run.features.exists() or run.studies.exists()
    return run.state not in Run.UNDER_WAY and not is_used


def delete_empty(*, run: Run) -> None:
    """Delete a run without features, and the files, or copies of them, that the site put there.

    Raises `RunError` if it is under way, has features, a study uses it, or it has spent money: its
    ledgers say what its project may still spend.
    """
    with transaction.atomic():
        locked = Run.objects.select_for_update().get(pk=run.pk)
        if not is_empty(locked):
            raise RunError(
                f"run {run.name!r} is under way, has features, or is used by a study: it is kept"
            )
        _refuse_paid(locked)
        locked.delete()
    own = settings.DATA / "runs"
    folder = directory_of(run=run)
    is_ours = (run.origin == Run.Origin.SITE or run.remote) and folder.parent == own
    if is_ours and not rows_of(folder):
        shutil.rmtree(folder, ignore_errors=True)


def _refuse_paid(run: Run) -> None:
    """Raise `RunError` if money of its project's budget was spent on the run, which would then be
    spent twice."""
    if run.origin in Run.ELSEWHERE or not budget.is_paid(run.config):
        return
    with refusals("what the run has spent cannot be read: "):
        dollars = budget.spent(run)
    if dollars > 0:
        raise RunError(
            f"run {run.name!r} has spent ${dollars:.2f} on paid services, which count against its "
            "project's budget: it is kept"
        )


def recover_runs() -> int:
    """Create the missing jobs of queued and running runs, and return how many runs had none.

    If a run's last job failed because its workers died, the run fails with that reason instead.
    """
    unfinished = Job.objects.filter(
        kind__in=(KIND, IMPORT_KIND, ITEMS_KIND), target=OuterRef("pk"), state__in=Job.UNFINISHED
    )
    lost = list(Run.objects.filter(~Exists(unfinished), state__in=Run.UNDER_WAY))
    for run in lost:
        last = Job.objects.filter(kind=kind_of(run), target=run.pk).order_by("-pk").first()
        if last is not None and last.state == Job.State.FAILED:
            stages.note_run_failed(run, last.error)
        else:
            jobs.enqueue(kind=kind_of(run), target=run.pk, queue=_next_queue(run))
    return len(lost)


def kind_of(run: Run) -> str:
    """Return the kind of job for the run: what was made elsewhere is checked, never executed."""
    kinds = {Run.Origin.IMPORT.value: IMPORT_KIND, Run.Origin.ITEMS.value: ITEMS_KIND}
    return kinds.get(run.origin, KIND)


def queue_of(*, config: Mapping[str, Any], stage: str) -> str:
    """Return the queue whose workers execute the stage."""
    methods = config.get("labels", {}).get("methods") or ()
    if stage == "labels" and any(map(budget.is_remote, methods)):
        return Job.Queue.API
    device = config.get("machine", {}).get("device", "cpu")
    return Job.Queue.GPU if stage in HEAVY_STAGES and device != "cpu" else Job.Queue.CPU


@transaction.atomic
def check_project(run: Run) -> None:
    """Raise `RunError` if the project may not start runs, or has reached its limit."""
    if run.project_id is None:
        return
    # The lock makes two simultaneous requests count each other's run.
    project = Project.objects.select_for_update(no_key=True).get(pk=run.project_id)
    if not project.may_start_runs:
        raise RunError(f"project {project} may not start runs; an administrator can allow it")
    under_way = Run.objects.filter(project=project, state__in=Run.UNDER_WAY)
    measured = Job.objects.filter(
        kind__in=(QUALITY_KIND, STEERING_KIND),
        state__in=Job.UNFINISHED,
        target__in=project.runs.values("pk"),
    )
    count = under_way.exclude(pk=run.pk).count() + measured.exclude(target=run.pk).count()
    if count >= settings.RUNS_PER_PROJECT:
        raise RunError(
            f"project {project} has {count} runs waiting, running or being measured, of at most "
            f"{settings.RUNS_PER_PROJECT}; wait for one to finish, or stop one"
        )


def _enqueue(run: Run) -> None:
    if run.origin != Run.Origin.ITEMS:
        stages.create_records(run)
    queue = Job.Queue.CPU if run.origin in Run.ELSEWHERE else _next_queue(run)
    jobs.enqueue(kind=kind_of(run), target=run.pk, queue=queue)


def _next_queue(run: Run) -> str:
    """Return the queue of the first stage that is not done."""
    waiting = run.stages.exclude(state=StageRecord.State.DONE).order_by("order").first()
    return queue_of(config=run.config, stage=waiting.stage if waiting else "")


def _check_redo(run: Run, stage: str) -> None:
    """Raise `RunError` if this stage of the run cannot be re-run."""
    from pipeline.run import STAGES

    if study := run.studies.first():
        raise RunError(f"{study} uses run {run.name!r}, so its features cannot change")
    if run.origin in Run.ELSEWHERE or Path(run.directory).is_absolute():
        raise RunError(
            f"run {run.name!r} was made elsewhere; re-run the stage there and import the result"
        )
    if others := [one for one in rows_of(directory_of(run=run)) if one.pk != run.pk]:
        raise RunError(f"run {others[0].name!r} uses the same folder, so its files cannot change")
    if stage not in STAGES:
        raise RunError(f"unknown stage {stage!r}; known: {', '.join(STAGES)}")
    check_project(run)
    with refusals():
        files = run_directory(run)
        if not files.is_done(stage):
            raise RunError(f"stage {stage} of run {run.name!r} is not done, so it cannot be re-run")
        with files.lock():
            pass  # Raises if another process is still working there.


@transaction.atomic
def _undo_rows(run: Run, stage: str) -> None:
    """Mark the run as stopped, reset the stage and those after it, and delete all features."""
    idle = Run.objects.filter(pk=run.pk).exclude(state__in=Run.UNDER_WAY)
    undone: dict[str, Any] = {"state": Run.State.STOPPED, "error": "", "facets": {}}
    if idle.update(**undone, finished_at=None) != 1:
        raise RunError(f"run {run.name!r} is under way; stop it first")
    run.features.all().delete()
    run.clips.all().delete()
    first = run.stages.get(stage=stage).order
    undone_stages = run.stages.filter(order__gte=first)
    # What was measured after the run may be of an SAE that goes; if not, it is stored again.
    stale = Q(stage__in=undone_stages.values("stage")) | Q(
        stage__in=("quality", "steering-evaluation")
    )
    run.findings.filter(stale).delete()
    undone_stages.update(state=StageRecord.State.WAITING)
    run.refresh_from_db()
