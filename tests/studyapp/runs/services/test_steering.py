"""Evaluating steering from a run's page: who may, at whose cost, what it takes, what comes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from pipeline.store.run_directory import RunDirectory
from studyapp.core.errors import RunError
from studyapp.jobs.services import jobs
from studyapp.jobs.tasks import work
from studyapp.models import AuditRecord, Job, Project, Run, StageRecord, SteeringEvaluation
from studyapp.runs import selectors
from studyapp.runs.services import folders
from studyapp.runs.services.results import findings, quality, steering
from studyapp.runs.services.results.steering import Settings
from tests.pipeline.clap.tiny_clap import save_tiny_clap
from tests.pipeline.conftest import (  # noqa: F401
    corpus_folder,
    finished_run,
    small_config,
    subject_folder,
)
from tests.studyapp import factories, run_findings, run_steering
from tests.studyapp.runs.services.test_quality import made

pytestmark = pytest.mark.django_db
SMALL = Settings(features=1, seeds=2, seconds=0.4, interventions=("add", "random-direction"))


def test_the_page_has_a_worker_evaluate_and_shows_what_it_found(
    researcher: Client,
    small_config: dict[str, Any],  # noqa: F811 - the fixture
    finished_run: Path,  # noqa: F811 - the fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EARWITNESS_CLAP_MODEL", str(save_tiny_clap(tmp_path / "clap")))
    monkeypatch.setattr(steering, "DIRECTIONS", 2)
    monkeypatch.setattr(steering, "PROMPT", "")  # The tiny subject cannot read.
    run = made(small_config)
    shutil.copytree(finished_run, folders.directory_of(run=run), dirs_exist_ok=True)
    page = reverse("run-steering", args=[run.pk])
    given = {
        "features": 1, "seeds": 2, "seconds": 0.4, "interventions": ["add", "random-direction"],
    }  # fmt: skip
    for _ in range(2):  # The second is refused in one line.
        researcher.post(page, given)
    job = Job.objects.get(kind=steering.KIND)
    assert AuditRecord.objects.filter(action="had steering evaluated of").count() == 1
    text = researcher.get(page).content.decode()
    assert "waiting for a worker" in text
    assert "is being evaluated; stop it first" in text
    # Another process works in the folder: later.
    with folders.run_directory(run).lock():
        work(job.pk)
    job.refresh_from_db()
    assert job.state == Job.State.WAITING
    work(job.pk)
    job.refresh_from_db()
    assert (job.state, job.error) == (Job.State.DONE, "")
    assert "figures of this run are being made" in researcher.get(page).content.decode()
    work(Job.objects.filter(kind="run_findings").latest("pk").pk)
    found = selectors.steering_of(run)
    assert found is not None
    assert {row["intervention"] for row in found["table2"]} == {"add", "random-direction"}
    row = SteeringEvaluation.objects.get()
    assert row.clip_seconds is not None
    assert row.clip_seconds > 0
    shown = researcher.get(page)
    assert len(shown.context["table2"]) == 2 * len(found["saes"])
    assert "Evaluate again" in shown.content.decode()


def test_what_it_takes_is_said_before_it_is_asked_for(researcher: Client) -> None:
    # Without steering, 20 directions at 3 α; 5 features at 3 α along 2, and a prompt each.
    settings = Settings(features=5, seeds=2, seconds=2.0, interventions=("add", "prompt"))
    assert steering.clips_of(settings, [100]) == 2 * (1 + 60 + 15 + 5)
    # An SAE with fewer features; ablations have clips of their own without steering.
    settings = Settings(features=5, seeds=1, seconds=2.0, interventions=("ablate-asked",))
    assert steering.clips_of(settings, [3]) == 1 + 60 + 9 + 3
    run = factories.make_run(clips=12, seconds=0.1)
    factories.make_features(run, count=3)
    Run.objects.filter(pk=run.pk).update(origin=Run.Origin.COMMAND, directory="runs/one")
    page = reverse("run-steering", args=[run.pk])
    assert steering.estimate(run=run, settings=settings).hours is None
    run.config = {"corpus": {"clip_seconds": 10.0}, "subject": {"model": "m"}}
    run.save(update_fields=["config"])
    StageRecord.objects.create(run=run, stage="activations", order=1, seconds=100.0, done=20)
    guess = steering.estimate(run=run, settings=settings)
    # Half a second of work per second that is read.
    assert (guess.clips, guess.is_measured) == (73, False)
    assert guess.hours == pytest.approx(73 * 2.0 * 0.5 * steering.SLOWER / 3600)
    of_row = {"features": 5, "seeds": 1, "seconds": 2.0, "interventions": ["add"]}
    SteeringEvaluation.objects.create(run=run, clip_seconds=3.0, **of_row)
    measured = steering.estimate(run=run, settings=settings)
    assert (measured.hours, measured.is_measured) == (pytest.approx(73 * 2.0 * 3.0 / 3600), True)
    asked = of_row | {"estimate": "", "interventions": ["ablate-asked"]}
    part = researcher.get(page, asked).content.decode()
    assert "<strong>73 clips</strong>" in part
    assert "7 min" in part
    assert "<html" not in part
    wrong = researcher.get(page, asked | {"seeds": "0"})
    assert "Seeds: Ensure this value" in wrong.content.decode()
    assert researcher.post(page, asked | {"features": "0"}).status_code == 422


def test_it_counts_as_a_run_of_its_project_and_can_be_stopped(
    small_config: dict[str, Any],  # noqa: F811 - the fixture
    settings: Any,
) -> None:
    settings.RUNS_PER_PROJECT = 1
    project = Project.objects.create(name="Hearing")
    first, second = made(small_config, project), made(small_config, project)
    job = steering.request(run=first, settings=SMALL)
    for request in (lambda: steering.request(run=second, settings=SMALL),
                    lambda: quality.request(run=second)):  # fmt: skip
        with pytest.raises(RunError, match="being measured, of at most 1"):
            request()
    lease = jobs.claim(job.pk)
    assert lease is not None
    steering.stop(run=first)
    with pytest.raises(jobs.LeaseLostError):
        lease.check()
    with pytest.raises(RunError, match="is not being evaluated"):
        steering.stop(run=first)
    for change in ({"state": Run.State.RUNNING}, {"origin": Run.Origin.IMPORT}):
        run = made(small_config)
        Run.objects.filter(pk=run.pk).update(**change)
        run.refresh_from_db()
        with pytest.raises(RunError, match="not a finished run that was made here"):
            steering.request(run=run, settings=SMALL)
    for wrong, message in (
        ({"seeds": 17}, "seeds is 17; it must be from 1 to 16"),
        ({"interventions": ("mean-difference",)}, "unknown intervention 'mean-difference'"),
        ({"interventions": ()}, "choose an intervention"),
    ):
        with pytest.raises(RunError, match=message):
            Settings(**wrong)  # type: ignore[arg-type]


def test_what_cannot_be_evaluated_is_one_line_on_the_page(
    researcher: Client,
    small_config: dict[str, Any],  # noqa: F811 - the fixture
) -> None:
    run = made(small_config)
    job = steering.request(run=run, settings=SMALL)
    work(job.pk)
    job.refresh_from_db()
    assert "stage exemplars is not done" in job.error
    assert "\n" not in job.error
    page = researcher.get(reverse("run-steering", args=[run.pk]))
    assert "stage exemplars is not done" in page.content.decode()


def test_the_ranking_is_sorted_and_paged(researcher: Client, tmp_path: Path) -> None:
    run = factories.make_run(clips=12, seconds=0.1)
    features = factories.make_features(run, count=3)
    files = run_findings.make(tmp_path / "run")
    sae = next(iter(run_findings.SAES))
    run_steering.evaluate(files, sae, features=60)
    findings.store(run=run, stage=findings.STEERING, files=files)
    page = reverse("run-steering", args=[run.pk])
    first = researcher.get(page).context
    assert [row["rank"] for row in first["rows"]] == [*range(1, 51)]
    assert [(row["rho"], row["interval"]) for row in first["rho"]] == [("0.25", "-0.50 to 0.75")]
    second = researcher.get(page, {"page": 2}).context
    assert [row["rank"] for row in second["rows"]] == [*range(51, 61)]
    # The last feature was not steered: it has no slope, and stands last in either direction.
    for order, ranks in (("slope", [1, 2]), ("slope-low", [59, 58])):
        rows = researcher.get(page, {"order": order}).context["rows"]
        assert [row["rank"] for row in rows[:2]] == ranks
        last = researcher.get(page, {"order": order, "page": 99}).context["rows"]
        assert (last[-1]["rank"], last[-1]["slope"]) == (60, "–")
    measured = researcher.get(page, {"measure": "label_similarity", "sae": "none"})
    assert (measured.context["measure"].name, measured.context["sae"]) == (
        "Similarity to exemplars", sae,
    )  # fmt: skip
    assert features[0].sae != sae  # No feature of the site: its name is no link.
    assert first["rows"][0]["feature"] is None


def test_tables_of_another_kind_are_one_line(researcher: Client, tmp_path: Path) -> None:
    run = factories.make_run(clips=12, seconds=0.1)
    files = run_findings.make(tmp_path / "run")
    sae = next(iter(run_findings.SAES))
    run_steering.evaluate(files, sae, features=3)
    other = RunDirectory(tmp_path / "run")
    with other.writer(findings.STEERING) as writer:
        table = files.read_table("steering/table2.parquet")
        at = table.schema.get_field_index("improved")
        odd = table.set_column(at, "improved", [["many"] * table.num_rows])
        writer.write_table("steering/table2.parquet", odd)
    findings.store(run=run, stage=findings.STEERING, files=other)
    page = researcher.get(reverse("run-steering", args=[run.pk]))
    assert page.status_code == 200
    assert "has a column of another type" in page.content.decode()
