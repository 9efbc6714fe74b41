"""One budget for paid services for all runs of a project."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from django.contrib.auth.models import User

from pipeline.errors import BusyError
from pipeline.store.run_directory import RunDirectory
from studyapp.core.errors import RunError
from studyapp.models import Membership, Project, Role, Run, StageRecord
from studyapp.runs.services import budget as run_money
from studyapp.runs.services import executor, folders, lifecycle

pytestmark = pytest.mark.django_db
CONFIG: dict[str, Any] = {
    "subject": {"model": "nano", "hookpoints": ["decoder.layers.0.resid_post"]},
    "labels": {"methods": ["gemini"]},
}


@pytest.fixture(autouse=True)
def _settings(settings: Any) -> None:
    settings.MODELS, settings.GEMINI_BUDGET = ["nano"], 5.0


@pytest.fixture
def project() -> Project:
    return Project.objects.create(name="Hearing")


def make(project: Project | None, *, by: User | None = None, **sections: Any) -> Run:
    name = f"run {Run.objects.count()}"
    return lifecycle.create_run(name=name, config=CONFIG | sections, created_by=by, project=project)


def pay(run: Run, dollars: float) -> None:
    """A begun run with an answer of that many tokens in its ledger, at $2.5 per million."""
    directory = RunDirectory(folders.directory_of(run=run))
    if not directory.begun:
        directory.begin({"config": run.config, "key": "k" * 64})
    reply = {"usageMetadata": {"candidatesTokenCount": round(dollars / 2.5 * 1e6)}}
    key, ledger = secrets.token_hex(4), directory.ledger("labels/gemini-ledger.jsonl")
    ledger.add({"event": "asked", "key": key, "dollars": dollars / 2})
    ledger.add({"event": "answered", "key": key, "reply": reply})


def budget(run: Run) -> float:
    """The budget that the pipeline gets for the stage `labels`."""
    return executor._config_for(run, "labels").gemini.budget_dollars


def test_money_spent_by_one_run_is_not_left_for_another(project: Project) -> None:
    first, second = make(project), make(project)
    elsewhere = make(Project.objects.create(name="Elsewhere"))
    assert budget(first) == 5.0
    pay(first, 3.0)
    pay(elsewhere, 4.0)
    assert run_money.spent(first) == pytest.approx(3.0)
    # The pipeline counts what a run itself has spent.
    assert budget(first) == pytest.approx(5.0)
    assert budget(second) == pytest.approx(2.0)
    pay(second, 2.5)
    with pytest.raises(
        RunError, match=r"project Hearing has spent its \$5 budget for paid services"
    ):
        executor._config_for(make(project), "labels")


def test_a_run_that_has_spent_money_is_not_deleted_and_so_forgotten(project: Project) -> None:
    first, second = make(project), make(project)
    pay(first, 3.0)
    with pytest.raises(RunError, match=r"has spent \$3.00 on paid services, .*: it is kept"):
        lifecycle.delete_empty(run=first)
    assert budget(second) == pytest.approx(2.0)
    lifecycle.delete_empty(run=second)
    assert list(Run.objects.all()) == [first]


def test_what_an_import_cost_was_paid_elsewhere(project: Project) -> None:
    imported, own = make(project), make(project)
    Run.objects.filter(pk=imported.pk).update(origin=Run.Origin.IMPORT)
    pay(imported, 4.0)
    assert budget(own) == 5.0


def test_a_researchers_budget_is_the_projects(project: Project, settings: Any) -> None:
    settings.GEMINI_BUDGET = 40.0
    edda = User.objects.create_user("edda", password="x")
    Membership.objects.create(project=project, user=edda, role=Role.EDITOR)
    assert budget(make(project, by=edda)) == 40.0


def test_a_given_budget_is_never_raised(project: Project) -> None:
    assert budget(make(project, gemini={"budget_dollars": 1.5})) == 1.5
    assert budget(make(project, gemini={"budget_dollars": 50.0})) == 5.0
    assert budget(make(None, gemini={"budget_dollars": 50.0})) == 50.0


def test_two_services_of_one_run_share_the_budget(project: Project) -> None:
    both = {"methods": ["gemini", "audio-chat@lab--listener"]}
    run = make(project, labels=both, audio_chat={"prices": ["lab/listener=1/1/1"]})
    made = executor._config_for(run, "labels")
    assert (made.gemini.budget_dollars, made.audio_chat.budget_dollars) == (2.5, 2.5)
    pay(run, 1.0)
    ledger = RunDirectory(folders.directory_of(run=run)).ledger("labels/audio-chat-ledger.jsonl")
    ledger.add({"event": "asked", "key": "k", "run": "k" * 64, "dollars": 0.5})
    assert run_money.spent(run) == pytest.approx(1.5)


def test_two_runs_of_a_project_do_not_spend_the_same_money(project: Project) -> None:
    first, second = make(project), make(project)
    Run.objects.filter(pk=first.pk).update(state=Run.State.RUNNING)
    StageRecord.objects.create(run=first, stage="labels", order=5, state="running")
    with pytest.raises(BusyError, match="of the same project is using a paid service"):
        executor._config_for(second, "labels")
    assert executor._config_for(second, "sae").gemini.budget_dollars == 10.0
    first.stages.update(state="done")
    assert budget(second) == 5.0
