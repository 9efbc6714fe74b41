"""Runs whose files are in a store, made by workers with data folders of their own."""

from __future__ import annotations

import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from pipeline.config import config_from_dict
from pipeline.progress import SilentProgress
from pipeline.run import STAGES, execute_stage
from pipeline.store.remote import Remote
from pipeline.store.run_directory import RunDirectory
from studyapp.jobs.services import jobs
from studyapp.jobs.tasks import work, work_on
from studyapp.models import Job, Run
from studyapp.runs.services import folders, lifecycle
from tests.pipeline.conftest import corpus_folder, small_config, subject_folder  # noqa: F401
from tests.s3 import SECRET, Store, store
from tests.studyapp import run_directories
from tests.studyapp.runs.services.test_pieces import files

__all__ = ["store"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(
    small_config: dict[str, Any],  # noqa: F811 - the fixture
    store: Store,
    notified: list[str],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """A queued run of two shards and two SAEs that ends with its SAEs."""
    monkeypatch.setattr("pipeline.run.STAGES", STAGES[:3])
    monkeypatch.setattr(
        "studyapp.runs.services.executor.index_run",
        lambda *, run, lease: Run.objects.filter(pk=run.pk).update(state=Run.State.DONE),
    )
    settings.REMOTE = f"s3://{store.bucket()}/site/"
    made = lifecycle.create_run(name="stored", config=small_config, created_by=None)
    lifecycle.queue_run(run=made)
    return made


def test_workers_with_folders_of_their_own_make_the_files_that_one_makes(
    run: Run, tmp_path: Path, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert run.remote == f"{settings.REMOTE}{run.directory}"
    machines = [tmp_path / "one", tmp_path / "two"]
    for turn in range(8):
        settings.DATA = machines[turn % 2]
        if (job := jobs._due("cpu").first()) is not None:
            work(job.pk)
    run.refresh_from_db()
    assert (run.state, run.error) == (Run.State.DONE, "")
    config = config_from_dict(run.config)
    for name in STAGES[:3]:
        execute_stage(config, tmp_path / "alone", name, progress=SilentProgress())
    assert files(Path(tmp_path / "alone")) == [
        stage["files"] for stage in RunDirectory(run.remote).manifest()["stages"].values()
    ]
    assert SECRET not in caplog.text
    for machine in machines:
        shutil.rmtree(machine)
    settings.DATA = tmp_path / "web"
    copied = folders.file_of(run, "corpus.parquet")
    assert copied == tmp_path / "web" / run.directory / "corpus.parquet"
    assert copied.read_bytes() == (tmp_path / "alone/corpus.parquet").read_bytes()
    assert not folders.file_of(run, "exemplars/none.flac").exists()


def test_a_worker_elsewhere_takes_runs_in_a_store_only(run: Run, settings: Any) -> None:
    settings.ELSEWHERE = True
    assert [job.target for job in jobs._due("cpu")] == [run.pk]
    jobs.enqueue(kind="feature_view", target=run.pk, queue="cpu")
    Run.objects.filter(pk=run.pk).update(remote="")
    assert list(jobs._due("cpu")) == []
    settings.ELSEWHERE = False
    assert jobs._due("cpu").count() == 2


def test_a_run_waits_while_the_store_is_away_and_goes_on_when_it_is_back(
    run: Run,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.store.remote.PAUSES", ())
    job = Job.objects.get(kind="run")
    store.go_away()
    work_on("cpu")
    job.refresh_from_db()
    run.refresh_from_db()
    assert (job.state, job.deferrals, run.state, run.error) == ("waiting", 1, "running", "")
    store.come_back()
    Job.objects.update(not_before=None)
    work_on("cpu")
    assert run.stages.get(stage="corpus").state == "done"


def test_a_run_in_a_store_is_imported_and_its_files_stay_there(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path / "cache"))
    url = f"s3://{store.bucket()}/runs/theirs"
    made = run_directories.make(url)
    call_command("import_run", f"{url}/", "--name", "theirs", stdout=StringIO())
    run = Run.objects.get()
    assert (run.remote, run.origin, run.state) == (url, Run.Origin.IMPORT, Run.State.DONE)
    assert run.features.count() == 3
    assert Path(run.directory).parent == Path("runs")
    clips = f"exemplars/{run_directories.SAE}/clips"
    clip = f"{clips}/{made.names(clips)[0]}"
    assert (
        folders.directory_of(run=run).joinpath(clip).read_bytes() == made.path_of(clip).read_bytes()
    )
    copied = {path.name for path in (settings.DATA / "runs").iterdir()}
    for again, fault in (
        (url, "is already imported as run 'theirs'"),
        (f"{url}-missing", "is missing; is .* a run directory"),
        (f"s3://me:{SECRET}@host/run", "must not hold keys"),
        ("s3://bucket/a/../b", "write the whole path"),
    ):
        with pytest.raises(CommandError, match=fault):
            call_command("import_run", again, "--name", "again")
    Remote(url).write("corpus.parquet", b"damaged")
    run.features.all().delete()
    run.delete()
    with pytest.raises(CommandError, match=r"corpus\.parquet is missing or differs"):
        call_command("import_run", url, "--name", "again")
    assert not Run.objects.exists()
    # What is refused leaves no copies behind.
    assert {path.name for path in (settings.DATA / "runs").iterdir()} == copied
