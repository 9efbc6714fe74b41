"""Runs: created, queued, claimed, executed, indexed, imported, recovered."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from pipeline.errors import BusyError, PipelineError
from pipeline.run import STAGES
from pipeline.store.run_directory import RunDirectory, RunPlace, opened
from studyapp.core.errors import RunError
from studyapp.jobs.services import jobs
from studyapp.jobs.tasks import work
from studyapp.models import Clip, Exemplar, Job, LabelCandidate, Run, StageRecord
from studyapp.runs.services import configs, executor, folders, imports, lifecycle
from studyapp.runs.services.progress import RowProgress
from tests.studyapp import run_directories
from tests.studyapp.run_directories import CONFIG, SAE

pytestmark = pytest.mark.django_db


class Unbroken:
    """Lets the test's own transaction outlive the outage that it simulates."""

    in_atomic_block = False

    def close(self) -> None:
        """Do nothing."""


def task(run_pk: int) -> None:
    """Do the run's job as a worker does when it is notified."""
    job = Job.objects.filter(kind="run", target=run_pk).order_by("-pk").first()
    work(job.pk if job else 0)


def _queued(name: str = "") -> Run:
    # A name of its own: run directories outlive a test's rows.
    name = name or f"run {secrets.token_hex(4)}"
    run = lifecycle.create_run(name=name, config=CONFIG, created_by=None)
    lifecycle.queue_run(run=run)
    run.refresh_from_db()
    return run


def _execute(monkeypatch: pytest.MonkeyPatch, stage: Callable[..., Any]) -> None:
    monkeypatch.setattr("pipeline.run.execute_stage", stage)
    monkeypatch.setattr("pipeline.run.open_stage", lambda *_: None)
    # The folders that are made here hold the key of no config.
    monkeypatch.setattr("pipeline.run.prepare", lambda _, out: opened(out))


def test_a_run_gets_the_whole_config_and_a_directory() -> None:
    run = lifecycle.create_run(name="My run!", config=CONFIG, created_by=None)
    assert re.fullmatch(r"runs/[0-9a-f-]{36}", run.directory)
    assert (run.state, run.origin) == (Run.State.NEW, Run.Origin.COMMAND)
    assert run.config["sae"]["steps"] > 0


@pytest.mark.parametrize(
    ("name", "config", "line"),
    [
        ("a", {"subjekt": {}}, "unknown section 'subjekt'; known: subject, corpus"),
        (" ", CONFIG, "a run needs one of 1 to 100"),
        ("taken", CONFIG, "already exists"),
    ],
)
def test_what_makes_no_run(name: str, config: dict[str, Any], line: str) -> None:
    lifecycle.create_run(name="taken", config=CONFIG, created_by=None)
    with pytest.raises(RunError, match=line):
        lifecycle.create_run(name=name, config=config, created_by=None)
    assert Run.objects.count() == 1


def test_a_config_that_is_not_toml_gets_one_line() -> None:
    with pytest.raises(RunError, match=r"not TOML: .*line 1") as refused:
        configs.config_from_toml(text="steps = = 3")
    assert "\n" not in str(refused.value)


def test_queueing_lays_out_the_stages_and_rings_after_the_commit(
    notified: list[str], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        run = _queued()
        assert notified == []
    assert notified == ["cpu"]
    assert run.state == Run.State.QUEUED
    assert list(run.stages.values_list("stage", flat=True)) == [
        "corpus", "activations", "sae", "features", "exemplars", "labels", "scores",
    ]  # fmt: skip


@pytest.mark.parametrize("state", ["queued", "running", "done"])
def test_only_a_new_or_failed_run_can_be_queued(state: str) -> None:
    run = lifecycle.create_run(name="a", config=CONFIG, created_by=None)
    Run.objects.update(state=state)
    with pytest.raises(RunError, match=f"is {state}; only a new, failed or stopped run"):
        lifecycle.queue_run(run=run)


def test_the_config_changes_only_until_the_run_is_queued() -> None:
    run = lifecycle.create_run(name="a", config=CONFIG, created_by=None)
    other = {"subject": CONFIG["subject"], "sae": {"steps": 7}}
    lifecycle.change_config(run=run, config=other)
    assert Run.objects.get().config["sae"]["steps"] == 7
    lifecycle.queue_run(run=run)
    with pytest.raises(RunError, match="is queued; its config can no longer be changed"):
        lifecycle.change_config(run=run, config=CONFIG)
    assert Run.objects.get().config["sae"]["steps"] == 7


def test_a_run_is_executed_and_indexed(monkeypatch: pytest.MonkeyPatch) -> None:
    run, seen = _queued(), []
    run_directories.make(folders.directory_of(run=run))

    def stage(config: Any, out: RunPlace, name: str, *, progress: Any) -> RunDirectory:
        seen.append(name)
        progress.start(name, 3, "track")
        progress.advance(2)
        progress.finish()
        return opened(out)

    _execute(monkeypatch, stage)
    task(run.pk)
    run.refresh_from_db()
    assert (run.state, run.error, run.identifier) == (Run.State.DONE, "", "k" * 12)
    assert seen == list(run.stages.values_list("stage", flat=True))
    first = run.stages.get(stage="corpus")
    assert (first.state, first.done, first.total, first.unit) == ("done", 3, 3, "track")
    assert first.summary["set_aside"] == {"silent": 2}


def test_a_second_delivery_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    run = _queued()
    assert jobs.claim(Job.objects.get().pk) is not None
    Run.objects.update(state=Run.State.RUNNING)

    def stage(*_: Any, **__: Any) -> Any:
        raise AssertionError("executed twice")

    _execute(monkeypatch, stage)
    task(run.pk)
    task(run.pk + 1)
    run.refresh_from_db()
    assert run.state == Run.State.RUNNING


def test_a_refusal_of_the_pipeline_fails_the_run_with_its_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = _queued()

    def stage(*_: Any, **__: Any) -> Any:
        raise PipelineError("corpus folder /x does not exist")

    _execute(monkeypatch, stage)
    task(run.pk)
    run.refresh_from_db()
    assert (run.state, run.error) == (Run.State.FAILED, "corpus folder /x does not exist")
    assert run.stages.get(stage="corpus").state == StageRecord.State.FAILED
    assert run.stages.get(stage="sae").state == StageRecord.State.WAITING


def test_an_unforeseen_error_fails_the_run_and_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    run = _queued()

    def stage(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("division by zero\nand more")

    _execute(monkeypatch, stage)
    with pytest.raises(ZeroDivisionError):
        task(run.pk)
    run.refresh_from_db()
    assert (run.state, run.error) == (Run.State.FAILED, "ZeroDivisionError: division by zero")


def test_indexing_makes_the_rows_and_a_second_time_changes_nothing() -> None:
    run = _queued()
    run_directories.make(folders.directory_of(run=run), features=3, tracks=10)
    for _ in range(2):
        assert executor.index_run(run=run) == 3
        assert Clip.objects.count() == 10
        assert Exemplar.objects.count() == 30
        assert LabelCandidate.objects.filter(status="ok").count() == 30
    feature = run.features.get(identifier=f"{SAE}/1")
    assert feature.neighbours == [f"{SAE}/0", f"{SAE}/2"]
    exemplar = feature.exemplars.get(rank=2)
    assert (exemplar.clip.track, exemplar.clip.tags) == ("t1", ["low", "tag 1"])
    assert (settings.DATA / run.directory / exemplar.clip.path).exists()


def test_scores_stand_with_their_labels_and_failures_have_no_text() -> None:
    run = _queued()
    run_directories.make(folders.directory_of(run=run))
    executor.index_run(run=run)
    feature = run.features.get(index=0)
    best, second = feature.labels.filter(method="descriptors", rank__lte=2)
    assert (best.scores, second.scores) == ({"detection": 0.8}, {})
    failed = feature.labels.get(method="descriptors", status="failed")
    assert (failed.text, failed.reason) == ("", "text of 301 characters, over the limit of 300")


def test_a_finished_directory_is_imported(tmp_path: Path) -> None:
    run_directories.make(tmp_path / "elsewhere")
    run = imports.import_run(directory=tmp_path / "elsewhere", name="imported")
    assert (run.state, run.features.count()) == (Run.State.DONE, 3)
    assert {stage.state for stage in run.stages.all()} == {StageRecord.State.DONE}
    with pytest.raises(RunError, match="is already imported as run 'imported'"):
        imports.import_run(directory=tmp_path / "elsewhere", name="again")


def test_a_directory_with_a_changed_file_is_refused(tmp_path: Path) -> None:
    run_directories.make(tmp_path / "changed")
    (tmp_path / "changed" / "corpus.parquet").write_bytes(b"other")
    with pytest.raises(RunError, match=r"corpus\.parquet is missing or differs from its hash"):
        imports.import_run(directory=tmp_path / "changed", name="changed")
    assert Run.objects.count() == 0


def test_an_unfinished_directory_is_refused(tmp_path: Path) -> None:
    RunDirectory(tmp_path / "begun").begin({"config": CONFIG, "key": "k" * 64})
    with pytest.raises(RunError, match="not a finished run: corpus, activations"):
        imports.import_run(directory=tmp_path / "begun", name="begun")


def test_a_run_that_has_no_job_gets_one(notified: list[str]) -> None:
    run = _queued()
    Job.objects.all().delete()
    assert lifecycle.recover_runs() == 1
    assert lifecycle.recover_runs() == 0
    assert Job.objects.get().target == run.pk


def test_a_stopped_run_is_left_by_its_worker_and_continues_when_queued(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, seen = _queued(), []
    run_directories.make(folders.directory_of(run=run))

    def stage(config: Any, out: RunPlace, name: str, *, progress: Any) -> RunDirectory:
        seen.append(name)
        if seen == ["corpus", "activations"]:
            lifecycle.stop_run(run=run)
        progress.start(name, 3, "track")
        return opened(out)

    _execute(monkeypatch, stage)
    task(run.pk)
    run.refresh_from_db()
    assert (run.state, seen) == (Run.State.STOPPED, ["corpus", "activations"])
    assert run.stages.get(stage="activations").state == StageRecord.State.STOPPED
    assert Job.objects.get().state == Job.State.STOPPED
    with pytest.raises(RunError, match="only a queued or running one can be stopped"):
        lifecycle.stop_run(run=run)
    lifecycle.queue_run(run=run)
    task(run.pk)
    run.refresh_from_db()
    assert run.state == Run.State.DONE


def test_a_worker_that_lost_its_job_writes_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    run = _queued()
    run_directories.make(folders.directory_of(run=run))

    def stage(config: Any, out: RunPlace, name: str, *, progress: Any) -> RunDirectory:
        # Its lease ran out while it stood still, and another worker has the job now.
        Job.objects.update(state=Job.State.WAITING)
        assert jobs.claim(Job.objects.get().pk) is not None
        return opened(out)

    _execute(monkeypatch, stage)
    task(run.pk)
    assert run.stages.get(stage="corpus").state == StageRecord.State.RUNNING
    job = Job.objects.get()
    assert (job.state, job.fence) == (Job.State.RUNNING, 2)


def test_stages_go_to_the_queue_of_their_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {**CONFIG, "machine": {"device": "cuda"}, "labels": {"methods": ["gemini"]}}
    queues = {stage: lifecycle.queue_of(config=config, stage=stage) for stage in STAGES}
    assert queues == {
        "corpus": "cpu", "activations": "gpu", "sae": "gpu", "features": "gpu",
        "exemplars": "cpu", "labels": "api", "scores": "gpu",
    }  # fmt: skip
    run, seen = _queued(), []
    run_directories.make(folders.directory_of(run=run))
    monkeypatch.setattr(lifecycle, "queue_of", lambda *, config, stage: queues.get(stage, "cpu"))

    def stage(config: Any, out: RunPlace, name: str, *, progress: Any) -> RunDirectory:
        seen.append((Job.objects.get().queue, name))
        return opened(out)

    _execute(monkeypatch, stage)
    for _ in range(10):
        task(run.pk)
    assert seen == [(queues[name], name) for name in STAGES]
    run.refresh_from_db()
    assert run.state == Run.State.DONE


def test_a_run_directory_in_use_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    run = _queued()

    def stage(*_: Any, **__: Any) -> Any:
        raise BusyError("another process is working on the run")

    _execute(monkeypatch, stage)
    task(run.pk)
    run.refresh_from_db()
    assert run.state == Run.State.RUNNING
    assert Job.objects.get().state == Job.State.WAITING
    # Not at once again and again: each pause is twice the one before.
    assert jobs.claim_next("cpu") is None
    for expected in (4, 8):
        task(run.pk)
        job = Job.objects.get()
        assert job.not_before is not None
        assert job.started_at is not None
        assert (job.not_before - job.started_at).total_seconds() == pytest.approx(expected, abs=1)


def test_a_run_that_killed_its_worker_three_times_fails_with_that_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = _queued()

    def stage(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt  # The process ends here; nothing after it runs.

    _execute(monkeypatch, stage)
    for _ in range(3):
        assert lifecycle.recover_runs() == 0
        with pytest.raises(KeyboardInterrupt):
            task(run.pk)
        Job.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
        jobs.sweep()
    lifecycle.recover_runs()
    run.refresh_from_db()
    assert run.state == Run.State.FAILED
    assert "the worker died 3 times while working on this" in run.error
    assert run.stages.get(stage="corpus").state == StageRecord.State.FAILED
    assert lifecycle.recover_runs() == 0
    lifecycle.queue_run(run=run)
    assert Job.objects.filter(state=Job.State.WAITING, losses=0).count() == 1


def test_deaths_are_counted_for_each_stage_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    run = _queued()
    run_directories.make(folders.directory_of(run=run))
    Job.objects.update(losses=2)
    seen: list[int] = []

    def stage(config: Any, out: RunPlace, name: str, *, progress: Any) -> RunDirectory:
        seen.append(Job.objects.get().losses)
        return opened(out)

    _execute(monkeypatch, stage)
    task(run.pk)
    assert seen == [2, 0, 0, 0, 0, 0, 0]


def test_a_database_that_is_away_for_a_moment_does_not_end_a_stage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = _queued().stages.get(stage="sae")
    answers: list[Exception | None] = [OperationalError("server closed the connection"), None]

    def check() -> None:
        if error := answers.pop(0):
            raise error

    monkeypatch.setattr("studyapp.jobs.services.outages.connection", Unbroken())
    progress = RowProgress(record, check=check)
    progress.start("sae", 100, "step")
    assert StageRecord.objects.get(pk=record.pk).total == 0
    progress.finish()
    assert StageRecord.objects.get(pk=record.pk).total == 100


def test_a_database_that_stays_away_ends_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    record, clock = _queued().stages.get(stage="sae"), [0.0]
    monkeypatch.setattr("studyapp.jobs.services.outages.connection", Unbroken())
    monkeypatch.setattr("studyapp.jobs.services.outages.time.monotonic", lambda: clock[0])

    def check() -> None:
        raise OperationalError("server closed the connection")

    progress = RowProgress(record, check=check)
    progress.start("sae", 100, "step")
    clock[0] = 601.0
    with pytest.raises(OperationalError):
        progress.finish()


def test_progress_writes_seldom_and_ends_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    record = _queued().stages.get(stage="sae")
    clock = [100.0]
    monkeypatch.setattr("studyapp.runs.services.progress.time.monotonic", lambda: clock[0])
    progress = RowProgress(record)
    progress.start("sae", 100, "step")
    for _ in range(10):
        progress.advance(5)
    assert StageRecord.objects.get(pk=record.pk).done == 0
    clock[0] += 1
    progress.advance(5)
    assert StageRecord.objects.get(pk=record.pk).done == 55
    progress.advance(45)
    progress.note("x" * 400)
    progress.finish()
    row = StageRecord.objects.get(pk=record.pk)
    assert (row.done, row.total, row.unit, len(row.note)) == (100, 100, "step", 300)
