"""Re-running a finished stage and those that depend on it, but never one that a study uses."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from pipeline.store.run_directory import RunDirectory, RunPlace, opened
from studyapp.core.errors import RunError
from studyapp.jobs.tasks import work
from studyapp.models import AuditRecord, Clip, Exemplar, Job, LabelCandidate, Run, StageRecord
from studyapp.runs.services import executor, folders, lifecycle
from studyapp.runs.services.configs import config_from_toml
from tests.studyapp import factories, run_directories, startable

pytestmark = pytest.mark.django_db


@pytest.fixture
def run() -> Run:
    """A finished run of this site, with its files and rows."""
    config = config_from_toml(text=startable.TEXT)
    made = lifecycle.create_run(name=f"run {secrets.token_hex(4)}", config=config, created_by=None)
    run_directories.make(folders.directory_of(run=made))
    lifecycle.queue_run(run=made)
    executor.index_run(run=made)
    Job.objects.all().delete()
    return made


def states(run: Run) -> dict[str, str]:
    return dict(run.stages.values_list("stage", "state"))


def test_what_follows_is_undone_and_the_earlier_stages_stay(run: Run) -> None:
    assert lifecycle.redo_stage(run=run, stage="exemplars") == ["exemplars", "labels", "scores"]
    assert states(run) == {
        "corpus": "done", "activations": "done", "sae": "done", "features": "done",
        "exemplars": "waiting", "labels": "waiting", "scores": "waiting",
    }  # fmt: skip
    assert run.state == Run.State.QUEUED
    assert not [*run.features.all(), *Clip.objects.all(), *Exemplar.objects.all()]
    assert not LabelCandidate.objects.exists()
    files = RunDirectory(folders.directory_of(run=run))
    assert list(files.manifest()["stages"]) == ["corpus", "activations", "sae", "features"]
    assert not list(files.path.glob("labels/*/*.parquet"))


def test_the_worker_re_runs_the_stage_and_indexes_the_run(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lifecycle.redo_stage(run=run, stage="labels")
    fresh = run_directories.make(tmp_path / "fresh", features=2)
    made = []

    def stage(config: Any, out: RunPlace, name: str, *, progress: Any) -> RunDirectory:
        """Do what the pipeline does: write the stage's files, and its entry last."""
        directory = opened(out)
        made.append(name)
        with directory.writer(name) as writer:
            for relative in fresh.manifest()["stages"][name]["files"]:
                writer.write_bytes(relative, fresh.path_of(relative).read_bytes())
        return directory

    monkeypatch.setattr("pipeline.run.execute_stage", stage)
    monkeypatch.setattr("pipeline.run.open_stage", lambda *_: None)
    work(Job.objects.get().pk)
    run.refresh_from_db()
    assert made == ["labels", "scores"]
    assert (run.state, run.features.count(), run.facets["features"]) == (Run.State.DONE, 3, 3)
    named = LabelCandidate.objects.filter(status="ok").values_list("feature__index", flat=True)
    assert set(named) == {0, 1}


def test_a_run_used_by_a_study_stays_as_it_is(run: Run) -> None:
    study = factories.make_study()
    study.runs.add(run)
    with pytest.raises(RunError, match="its features cannot change"):
        lifecycle.redo_stage(run=run, stage="labels")
    assert run.features.count() == 3
    assert RunDirectory(folders.directory_of(run=run)).is_done("labels")


def test_people_who_may_not_take_over_a_run_undo_nothing(run: Run) -> None:
    Run.objects.update(origin=Run.Origin.SITE)
    run.refresh_from_db()
    with pytest.raises(RunError, match="eve may not start runs in no project"):
        lifecycle.redo_stage(run=run, stage="labels", by=User.objects.create_user("eve"))
    run.refresh_from_db()
    assert (run.state, run.features.count()) == (Run.State.DONE, 3)
    assert RunDirectory(folders.directory_of(run=run)).is_done("labels")


def test_redo_takes_over_a_run_whose_maker_is_gone(run: Run, researcher: Client) -> None:
    Run.objects.update(origin=Run.Origin.SITE)
    researcher.post(reverse("redo-stage", args=[run.pk, "scores"]))
    run.refresh_from_db()
    assert run.state == Run.State.QUEUED
    assert run.created_by == User.objects.get(username="ada")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"state": "running"}, "stop it first"),
        ({"directory": "/elsewhere/run"}, "was made elsewhere"),
    ],
)
def test_when_no_stage_can_be_re_run(run: Run, change: dict[str, str], line: str) -> None:
    Run.objects.update(**change)
    run.refresh_from_db()
    with pytest.raises(RunError, match=line):
        lifecycle.redo_stage(run=run, stage="labels")


def test_a_stage_that_is_not_done_changes_nothing(run: Run) -> None:
    RunDirectory(folders.directory_of(run=run)).forget(["scores"])
    with pytest.raises(RunError, match=r"stage scores of .* is not done, so it cannot be re-run"):
        lifecycle.redo_stage(run=run, stage="scores")
    run.refresh_from_db()
    assert (run.state, run.features.count()) == (Run.State.DONE, 3)
    with pytest.raises(RunError, match="unknown stage 'nothing'"):
        lifecycle.redo_stage(run=run, stage="nothing")


def test_the_page_offers_a_re_run_and_says_what_it_includes(run: Run, researcher: Client) -> None:
    address = reverse("run", args=[run.pk])
    page = researcher.get(address).content.decode()
    assert "Re-run exemplars" in page
    assert "This also re-runs labels, scores." in page
    researcher.post(reverse("redo-stage", args=[run.pk, "scores"]))
    assert StageRecord.objects.get(run=run, stage="scores").state == "waiting"
    assert AuditRecord.objects.filter(action="re-ran scores").exists()
    assert "Re-run exemplars" not in researcher.get(address).content.decode()
    again = researcher.post(reverse("redo-stage", args=[run.pk, "labels"]), follow=True)
    assert "stop it first" in again.content.decode()
    assert (settings.DATA / run.directory / "manifest.json").exists()


def test_nothing_is_deleted_for_a_stage_that_would_fail_at_once(
    run: Run, researcher: Client
) -> None:
    Run.objects.update(config=run.config | {"corpus": {"path": "/nowhere"}})
    address = reverse("redo-stage", args=[run.pk, "labels"])
    page = researcher.post(address, follow=True).content.decode()
    assert "This run cannot start here: corpus folder /nowhere does not exist" in page
    assert RunDirectory(folders.directory_of(run=run)).is_done("labels")
    assert run.features.exists()
