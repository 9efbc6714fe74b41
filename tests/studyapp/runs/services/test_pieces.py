"""A run whose stages are shared by all workers: made once, closed once, failed by one piece."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from pipeline.config import config_from_dict
from pipeline.progress import SilentProgress
from pipeline.run import STAGES, execute_stage
from pipeline.store.run_directory import RunDirectory
from studyapp.jobs.tasks import work_on
from studyapp.models import Job, Run
from studyapp.runs.services import lifecycle
from tests.pipeline.conftest import (  # noqa: F401
    corpus_folder,
    finished_run,
    small_config,
    subject_folder,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(
    small_config: dict[str, Any],  # noqa: F811 - the fixture
    tmp_path: Path,
    notified: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """A queued run of two shards and two SAEs that ends with its SAEs, its corpus a copy."""
    monkeypatch.setattr("pipeline.run.STAGES", STAGES[:3])
    monkeypatch.setattr("studyapp.runs.services.executor.index_run", _index)
    corpus = shutil.copytree(small_config["corpus"]["path"], tmp_path / "corpus")
    config = {**small_config, "corpus": {**small_config["corpus"], "path": str(corpus)}}
    made = lifecycle.create_run(name="shared", config=config, created_by=None)
    lifecycle.queue_run(run=made)
    return made


def _index(*, run: Run, lease: object) -> None:
    Run.objects.filter(pk=run.pk).update(state=Run.State.DONE)


def files(directory: Path) -> list[dict[str, str]]:
    return [stage["files"] for stage in RunDirectory(directory).manifest()["stages"].values()]


def parent() -> Job:
    return Job.objects.get(kind="run")


def test_every_piece_is_made_once_and_the_last_one_wakes_the_run(run: Run, tmp_path: Path) -> None:
    work_on("cpu")
    pieces = Job.objects.filter(parent=parent())
    assert [job.piece for job in pieces.order_by("pk")] == [
        "activations/00000", "activations/00001"
    ]  # fmt: skip
    assert (parent().state, pieces.filter(state=Job.State.WAITING).count()) == ("waiting", 2)
    stage = run.stages.get(stage="activations")
    assert (stage.state, stage.done, stage.total, stage.unit) == ("running", 0, 48, "track")
    assert parent().not_before is not None
    work_on("cpu")  # Both: the worker takes the other piece too.
    assert parent().not_before is None
    stage.refresh_from_db()
    assert (stage.state, stage.done) == ("running", 48)
    Job.objects.filter(piece="activations/00001").update(attempts=2)
    work_on("cpu")  # Closed and divided again.
    saes = Job.objects.exclude(kind="run").order_by("pk")
    assert [job.piece.partition("/")[0] for job in saes] == ["sae", "sae"]
    for _ in range(2):  # Both SAEs; closed.
        work_on("cpu")
    run.refresh_from_db()
    assert (run.state, run.error) == (Run.State.DONE, "")
    lines = [record.lines[-1][1] for record in run.stages.order_by("order")[1:3]]
    claimed = "2 pieces, claimed more than once"
    assert lines == [f"{claimed}: activations/00001", f"{claimed}: none"]
    assert not Job.objects.exclude(kind="run").exists()
    config = config_from_dict(run.config)
    for name in STAGES[:3]:
        execute_stage(config, tmp_path / "alone", name, progress=SilentProgress())
    assert files(settings.DATA / run.directory) == files(tmp_path / "alone")


def test_one_failed_piece_fails_the_run_and_stops_the_others(run: Run, tmp_path: Path) -> None:
    work_on("cpu")
    shutil.rmtree(tmp_path / "corpus/audio")
    work_on("cpu")
    assert parent().not_before is None
    work_on("cpu")
    run.refresh_from_db()
    assert run.state == Run.State.FAILED
    assert "can no longer be read" in run.error
    assert not Job.objects.filter(state__in=Job.UNFINISHED).exists()


def test_pieces_that_nobody_sees_are_waited_for_and_then_fail_the_run(run: Run) -> None:
    """As on a worker whose data folder is not the one that all others share."""
    work_on("cpu")
    Job.objects.exclude(kind="run").update(state=Job.State.DONE)
    Job.objects.filter(kind="run").update(not_before=None)
    work_on("cpu")
    assert (parent().state, parent().deferrals) == ("waiting", 1)
    Job.objects.filter(kind="run").update(not_before=None, deferrals=6)
    work_on("cpu")
    run.refresh_from_db()
    assert run.error.startswith("2 finished pieces of activations, such as 00000, are not in ")


def test_a_stopped_run_stops_its_pieces(run: Run) -> None:
    work_on("cpu")
    lifecycle.stop_run(run=run)
    assert set(Job.objects.values_list("state", flat=True)) == {"stopped"}
    work_on("cpu")
    assert not RunDirectory(settings.DATA / run.directory).is_done("activations")


def test_what_is_computed_once_per_run_comes_before_what_reads_it(
    small_config: dict[str, Any],  # noqa: F811 - the fixture
    finished_run: Path,  # noqa: F811
    tmp_path: Path,
    notified: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("studyapp.runs.services.executor.index_run", _index)
    monkeypatch.setattr("pipeline.run.STAGES", STAGES[:6])
    run = lifecycle.create_run(name="labels", config=small_config, created_by=None)
    lifecycle.queue_run(run=run)
    shutil.copytree(finished_run, settings.DATA / run.directory)
    run.stages.exclude(stage="labels").update(state="done")
    made = []
    while Job.objects.filter(state__in=Job.UNFINISHED).exists():
        before = set(Job.objects.values_list("piece", flat=True))
        work_on("cpu")
        made.append(sorted(set(Job.objects.values_list("piece", flat=True)) - before))
    run.refresh_from_db()
    assert (run.state, run.error) == (Run.State.DONE, "")
    saes = sorted(RunDirectory(finished_run).sae_names())
    assert [wave for wave in made if wave] == [
        [*(f"labels/{sae}.corpus-tags" for sae in saes), "labels/shared.descriptors"],
        [f"labels/{sae}.descriptors" for sae in saes],
    ]
    alone = shutil.copytree(finished_run, tmp_path / "alone")
    execute_stage(config_from_dict(run.config), alone, "labels", progress=SilentProgress())
    assert files(settings.DATA / run.directory) == files(alone)
