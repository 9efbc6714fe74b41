"""Runs do not share folders; imports stay imports; nothing missing is reported as done."""

from __future__ import annotations

import json
import secrets
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.conf import settings
from django.db import connection

from pipeline.errors import PipelineError
from pipeline.files.hashing import sha256_of
from pipeline.store.run_directory import RunDirectory
from studyapp.core.errors import RunError
from studyapp.jobs.tasks import work
from studyapp.models import Feature, Job, Project, Run, StageRecord
from studyapp.runs.services import executor, folders, imports, lifecycle
from tests.studyapp import run_directories
from tests.studyapp.run_directories import CONFIG

pytestmark = pytest.mark.django_db


def do(run: Run) -> str:
    """Have a worker do the run's newest job; returns the run's state after it."""
    work(Job.objects.filter(target=run.pk).latest("pk").pk)
    run.refresh_from_db()
    return run.state


@pytest.fixture
def imported(tmp_path: Path) -> Run:
    """A run that is about to be checked by a worker."""
    run_directories.make(tmp_path / "elsewhere")
    return imports.request_import(directory=tmp_path / "elsewhere", name="imported", project=None)


def spoil(run: Run) -> None:
    (Path(run.directory) / "corpus.parquet").write_bytes(b"other")


def test_a_name_leads_to_no_folder_that_is_there() -> None:
    name = f"secret run {secrets.token_hex(3)}"
    folder = settings.DATA / "runs" / name.replace(" ", "-")
    theirs = imports.import_run(directory=run_directories.make(folder).path, name="theirs")
    mine = lifecycle.create_run(name=name, config=CONFIG, created_by=None)
    assert folders.directory_of(run=mine).resolve() != folder.resolve()
    lifecycle.queue_run(run=mine)
    assert set(mine.stages.values_list("state", flat=True)) == {"waiting"}
    assert do(mine) == Run.State.FAILED
    assert not mine.features.exists()
    assert theirs.features.count() == 3


def test_a_folder_of_another_config_never_counts_as_done() -> None:
    run = lifecycle.create_run(name="a", config=CONFIG, created_by=None)
    run_directories.make(folders.directory_of(run=run))
    lifecycle.queue_run(run=run)
    assert set(run.stages.values_list("state", flat=True)) == {"done"}
    # The pipeline holds the folder's key against the config, which has no corpus at all.
    assert do(run) == Run.State.FAILED
    assert not Feature.objects.exists()


def test_one_folder_is_one_run_however_it_is_written(tmp_path: Path) -> None:
    folder = run_directories.make(settings.DATA / "runs" / secrets.token_hex(4)).path
    (tmp_path / "link").symlink_to(folder)
    first = imports.import_run(directory=folder, name="first")
    assert first.directory == str(folder.relative_to(settings.DATA))
    for other in (tmp_path / "link", folder / ".." / folder.name):
        with pytest.raises(RunError, match="is already imported as run 'first'"):
            imports.import_run(directory=other, name="second")
    # A row from before there was one way to write a folder.
    Run.objects.update(directory=str(folder))
    with pytest.raises(RunError, match="is already imported as run 'first'"):
        imports.import_run(directory=folder, name="second")


def test_no_stage_is_made_again_in_a_folder_that_two_rows_have() -> None:
    run = finished()
    Run.objects.create(
        name="twin", directory=str(folders.directory_of(run=run)), config={}, state=Run.State.DONE
    )
    with pytest.raises(RunError, match="run 'twin' uses the same folder"):
        lifecycle.redo_stage(run=run, stage="labels")
    assert RunDirectory(folders.directory_of(run=run)).is_done("labels")


def test_a_damaged_import_stays_failed_however_often_it_is_tried(imported: Run) -> None:
    spoil(imported)
    assert do(imported) == Run.State.FAILED
    for _ in range(2):
        lifecycle.queue_run(run=imported)
        assert Job.objects.latest("pk").kind == "import_run"
        assert do(imported) == Run.State.FAILED
    assert "differs from its hash" in imported.error
    assert not imported.features.exists()


def test_a_clip_of_an_import_that_leads_out_of_its_folder_is_refused(imported: Run) -> None:
    """The hashes are right: whoever made the run made them too."""
    path = f"exemplars/{run_directories.SAE}.parquet"
    folder = Path(imported.directory)
    table = pq.read_table(folder / path)
    rows = [row | {"clip": "../../../others/sound"} for row in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), folder / path)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["stages"]["exemplars"]["files"][path] = sha256_of(folder / path)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert do(imported) == Run.State.FAILED
    assert imported.error.endswith("names the clip '../../../others/sound', which is not a SHA-256")
    assert not imported.clips.exists()


def test_an_import_that_lost_its_job_is_checked_and_not_executed(imported: Run) -> None:
    spoil(imported)
    Job.objects.all().delete()
    assert lifecycle.recover_runs() == 1
    assert Job.objects.get().kind == "import_run"
    assert do(imported) == Run.State.FAILED


def test_a_stopped_import_does_not_end_as_done(
    imported: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = imports.check_files

    def stopped_meanwhile(files: RunDirectory, check: Any) -> None:
        lifecycle.stop_run(run=imported)
        checked(files, lambda: None)

    monkeypatch.setattr(imports, "check_files", stopped_meanwhile)
    assert do(imported) == Run.State.STOPPED
    assert not imported.features.exists()
    monkeypatch.undo()
    lifecycle.queue_run(run=imported)
    assert do(imported) == Run.State.DONE


def finished() -> Run:
    run = lifecycle.create_run(name=secrets.token_hex(4), config=CONFIG, created_by=None)
    run_directories.make(folders.directory_of(run=run))
    lifecycle.queue_run(run=run)
    executor.index_run(run=run)
    Job.objects.all().delete()
    return run


@pytest.mark.parametrize("error", [PipelineError("cannot be locked"), OSError("disk is gone")])
def test_files_that_cannot_go_leave_a_run_that_is_not_done(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    run = finished()
    files = RunDirectory(folders.directory_of(run=run))

    def half(out: Path, stage: str) -> Any:
        files.forget([stage])
        raise error

    monkeypatch.setattr("pipeline.run.forget", half)
    with pytest.raises(RunError, match="the run is stopped, and continues"):
        lifecycle.redo_stage(run=run, stage="scores")
    run.refresh_from_db()
    assert (run.state, run.features.count()) == (Run.State.STOPPED, 0)
    assert run.stages.get(stage="scores").state == StageRecord.State.WAITING
    lifecycle.queue_run(run=run)
    assert Job.objects.get().queue == "cpu"


def test_a_project_has_so_many_runs_under_way(settings: Any) -> None:
    settings.RUNS_PER_PROJECT = 2
    project = Project.objects.create(name="Hearing")

    def start() -> Run:
        name = f"run {Run.objects.count()}"
        return lifecycle.start_run(name=name, config=CONFIG, created_by=None, project=project)

    first = start()
    start()
    with pytest.raises(
        RunError, match="has 2 runs waiting, running or being measured, of at most 2"
    ):
        start()
    assert Run.objects.count() == 2
    lifecycle.stop_run(run=first)
    start()
    with pytest.raises(RunError, match="of at most 2"):
        lifecycle.queue_run(run=first)
    Project.objects.update(may_start_runs=False)
    with pytest.raises(RunError, match="may not start runs; an administrator can allow it"):
        start()


@pytest.mark.django_db(transaction=True)
def test_runs_that_start_at_once_count_each_other(settings: Any) -> None:
    settings.RUNS_PER_PROJECT = 2
    project = Project.objects.create(name="Hearing")
    refused: list[str] = []

    def start(number: int) -> None:
        try:
            lifecycle.start_run(
                name=f"run {number}", config=CONFIG, created_by=None, project=project
            )
        except RunError as error:
            refused.append(str(error))
        finally:
            connection.close()

    hands = [threading.Thread(target=start, args=(number,)) for number in range(6)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    assert Run.objects.filter(state=Run.State.QUEUED).count() == Run.objects.count() == 2
    assert len(refused) == 4


@pytest.mark.django_db(transaction=True)
def test_a_stage_of_a_projects_run_is_made_again() -> None:
    run = finished()
    lifecycle.give_run(run=run, project=Project.objects.create(name="Hearing"))
    assert lifecycle.redo_stage(run=run, stage="scores") == ["scores"]
    assert (run.state, Job.objects.get().state) == (Run.State.QUEUED, Job.State.WAITING)
