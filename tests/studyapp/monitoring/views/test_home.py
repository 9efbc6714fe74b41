"""Researchers' pages: behind a login, one line per refusal, no list with N+1 queries."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from studyapp.jobs.tasks import work
from studyapp.models import Job, Run, StageRecord, Study, StudyDraft
from studyapp.runs.selectors import facts
from studyapp.runs.services import configs, lifecycle
from studyapp.studies.services import frames
from tests.studyapp import factories, passages, run_directories, startable

pytestmark = pytest.mark.django_db
CONFIG = startable.TEXT


def _text(response: Any) -> str:
    return str(response.content.decode())


def test_every_page_asks_for_a_login(client: Client) -> None:
    study = factories.make_study()
    run = study.runs.get()
    place = [study.slug, study.version]
    gets = [reverse("home"), reverse("new-run"), reverse("run", args=[run.pk])]
    gets += [reverse(name, args=place) for name in ("study", "responses-csv", "export-zip")]
    posts = [reverse("queue-run", args=[run.pk])]
    posts += [reverse(f"{name}-study", args=place) for name in ("freeze", "open", "pause", "close")]
    for response in [*map(client.get, gets), *map(client.post, posts)]:
        assert response.status_code == 302
        assert response.headers["Location"].startswith("/login/?next=")
    study.refresh_from_db()
    assert study.state == Study.State.OPEN


def test_login_leads_home_and_logout_back(client: Client) -> None:
    User.objects.create_user("ada", password="right")
    wrong = client.post(reverse("login"), {"login": "ada", "password": "wrong"})
    assert 'role="alert"' in _text(wrong)
    right = client.post(reverse("login"), {"login": "ada", "password": "right"})
    assert right.headers["Location"] == reverse("home")
    assert "Log out ada" in _text(client.get(reverse("home")))
    client.post(reverse("logout"))
    assert client.get(reverse("home")).status_code == 302


def test_home_lists_runs_and_studies_without_a_query_per_row(researcher: Client) -> None:
    first = factories.make_study()
    with CaptureQueriesContext(connection) as one:
        page = _text(researcher.get(reverse("home")))
    assert str(first) in page
    assert first.runs.get().name in page
    for _ in range(2):
        factories.make_study()
    with CaptureQueriesContext(connection) as three:
        researcher.get(reverse("home"))
    assert len(one) == len(three)


def test_a_made_draft_is_listed_once_and_an_open_study_says_how_far_it_is(
    researcher: Client,
) -> None:
    made = factories.make_study(state=Study.State.DRAFT)
    StudyDraft.objects.create(study=made, created_by=User.objects.get())
    study = factories.make_study(ratings_per_item=1)
    listener = Client()
    passages.finish(listener, study, passages.reach_trials(listener, study))
    page = _text(researcher.get(reverse("home")))
    assert page.count(reverse("study", args=[made.slug, made.version])) == 1
    places = frames.places(study)
    assert f'<td class="number">1 of {places}<br><progress value="1" max="{places}"' in page


def test_a_run_is_started_from_typed_toml(researcher: Client) -> None:
    response = researcher.post(reverse("new-run"), {"name": "typed", "config": CONFIG})
    run = Run.objects.get()
    assert response.headers["Location"] == reverse("run", args=[run.pk])
    assert (run.state, run.created_by and run.created_by.get_username()) == ("queued", "ada")


def test_a_run_is_started_from_a_file(researcher: Client) -> None:
    file = SimpleUploadedFile("run.toml", CONFIG.encode())
    researcher.post(reverse("new-run"), {"name": "from a file", "config_file": file})
    assert Run.objects.get().config["subject"]["hookpoints"] == ["decoder.layers.0.resid_post"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_config_that_notepad_saved_is_read(researcher: Client, encoding: str) -> None:
    file = SimpleUploadedFile("run.toml", CONFIG.replace("\n", "\r\n").encode(encoding))
    researcher.post(reverse("new-run"), {"name": "from a file", "config_file": file})
    assert Run.objects.get().config["subject"]["hookpoints"] == ["decoder.layers.0.resid_post"]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"config": CONFIG + "[sae]\nsteppes = 3\n"}, "unknown key &#x27;steppes&#x27;"),
        ({"config": "= 3"}, "not TOML"),
        ({"config": ""}, "Give a config"),
        ({"config": CONFIG, "config_file": "both"}, "not both"),
        ({"config_file": "\udcff"}, "not UTF-8"),
        ({"config": CONFIG, "name": "taken"}, "already exists"),
    ],
)
def test_a_rejected_config_gets_one_line(
    researcher: Client, given: dict[str, Any], line: str
) -> None:
    lifecycle.create_run(
        name="taken", config=configs.config_from_toml(text=CONFIG), created_by=None
    )
    if "config_file" in given:
        raw = given["config_file"].encode("utf-8", "surrogateescape")
        given = given | {"config_file": SimpleUploadedFile("x.toml", raw)}
    response = researcher.post(reverse("new-run"), {"name": "new", "config": ""} | given)
    assert response.status_code == 422
    assert line in _text(response)
    assert Run.objects.count() == 1


def test_a_running_run_refreshes_itself_and_shows_progress(researcher: Client) -> None:
    run = lifecycle.create_run(
        name="moving", config=configs.config_from_toml(text=CONFIG), created_by=None
    )
    lifecycle.queue_run(run=run)
    run.stages.filter(stage="sae").update(
        state=StageRecord.State.RUNNING, done=840, total=2000, unit="step", note="loss 0.2"
    )
    run.stages.filter(stage="corpus").update(
        state="done", summary={"set_aside": {"cannot be decoded": 2, "silent": 1}}
    )
    page = _text(researcher.get(reverse("run", args=[run.pk])))
    assert 'hx-trigger="every 2s"' in page
    assert "840 of 2000 steps" in page
    assert 'value="840" max="2000"' in page
    assert "loss 0.2" in page
    assert "2 × cannot be decoded" in page
    Run.objects.update(state="failed", error="the corpus is gone")
    page = _text(researcher.get(reverse("run", args=[run.pk])))
    assert "hx-trigger" not in page
    assert "the corpus is gone" in page
    assert "Try again" in page


def test_a_runs_page_shows_each_saes_figures_on_validation_and_what_they_are(
    researcher: Client,
) -> None:
    run = lifecycle.create_run(
        name="done", config=configs.config_from_toml(text=CONFIG), created_by=None
    )
    lifecycle.queue_run(run=run)
    figures = {"frames": 19056, "fvu": 0.599305980406468, "l0": 8.0, "dead_share": 0.0}
    with_figures = {"saes": ["layer4-n192-k8"], "validation": {"layer4-n192-k8": figures}}
    run.stages.filter(stage="sae").update(state="done", summary=with_figures)
    page = _text(researcher.get(reverse("run", args=[run.pk])))
    assert "<dt>validation · layer4-n192-k8 · fvu</dt><dd>0.599306</dd>" in page
    assert "<dt>validation · layer4-n192-k8 · l0</dt><dd>8</dd>" in page
    assert "fraction of variance unexplained by the SAE" in page


def test_a_config_is_checked_while_it_is_typed(researcher: Client) -> None:
    address = reverse("check-config")
    assert "are checked here" in _text(researcher.post(address, {"config": " "}))
    fault = _text(researcher.post(address, {"config": CONFIG + "[sae]\nsteppes = 3\n"}))
    assert "unknown key &#x27;steppes&#x27;" in fault
    good = _text(researcher.post(address, {"config": CONFIG}))
    assert "The config is valid." in good
    assert "no run of this model has finished here" in good


def test_fields_write_the_text_and_the_text_fills_the_fields(researcher: Client) -> None:
    filled = {"config": CONFIG, "sae.ks": "4, 8", "sae.seed": "", "labels.methods": ["", "gemini"]}
    page = _text(researcher.post(reverse("fill-config"), filled))
    assert "ks = [\n    4,\n    8,\n]" in page
    assert "methods = [\n    &quot;gemini&quot;,\n]" in page
    assert "per kept feature" in page
    assert 'id="id_config"' in page
    typed = _text(researcher.post(reverse("check-config"), {"config": CONFIG + "[sae]\nks=[5]\n"}))
    assert 'name="sae.ks" value="5"' in typed
    wrong = _text(researcher.post(reverse("fill-config"), {"config": CONFIG, "sae.ks": "many"}))
    assert 'href="#field-sae-ks"' in wrong
    broken = _text(researcher.post(reverse("fill-config"), {"config": "= 3", "sae.ks": "4"}))
    assert "not TOML" in broken
    assert "id_config" not in broken


def test_a_run_can_be_started_with_only_the_fields(researcher: Client) -> None:
    fields = {"subject.model": startable.MODEL, "subject.hookpoints": "decoder.layers.0.resid_post"}
    fields["corpus.path"] = startable.CORPUS
    given = {"name": "fields", "config": "", "sae.ks": "4, 8", **fields}
    assert researcher.post(reverse("new-run"), given).status_code == 302
    config = Run.objects.get().config
    assert (config["subject"]["hookpoints"], config["sae"]["ks"]) == (
        ["decoder.layers.0.resid_post"], [4, 8],
    )  # fmt: skip


def test_another_run_begins_with_the_config_of_one(researcher: Client) -> None:
    config = configs.config_from_toml(text=CONFIG + "[sae]\nks = [5]\n")
    run = lifecycle.create_run(name="first", config=config, created_by=None)
    page = _text(researcher.get(reverse("new-run"), {"like": run.pk}))
    assert 'name="sae.ks" value="5"' in page
    assert "ks = [\n    5,\n]" in page
    assert researcher.get(reverse("new-run"), {"like": 99}).status_code == 404


def test_a_moving_run_is_stopped_and_goes_on(researcher: Client) -> None:
    run = lifecycle.create_run(
        name="moving", config=configs.config_from_toml(text=CONFIG), created_by=None
    )
    lifecycle.queue_run(run=run)
    researcher.post(reverse("stop-run", args=[run.pk]))
    assert Run.objects.get().state == Run.State.STOPPED
    assert "Continue" in _text(researcher.get(reverse("run", args=[run.pk])))
    again = researcher.post(reverse("stop-run", args=[run.pk]), follow=True)
    assert "only a queued or running one can be stopped" in _text(again)


def test_runs_side_by_side_show_what_differs(researcher: Client) -> None:
    for name, steps in (("a", 7), ("b", 9)):
        config = configs.config_from_toml(text=CONFIG + f"[sae]\nsteps = {steps}\n")
        lifecycle.create_run(name=name, config=config, created_by=None)
    both = {"run": list(Run.objects.values_list("pk", flat=True))}
    page = researcher.get(reverse("compare-runs"), both)
    assert [name for name, _ in page.context["table"]["differing"]] == ["sae · steps"]
    assert "Choose the runs" in _text(researcher.get(reverse("compare-runs")))


def test_a_folder_is_imported_by_a_worker_and_refused_at_once_if_unfinished(
    researcher: Client, tmp_path: Path
) -> None:
    run_directories.make(tmp_path / "whole")
    given = {"name": "imported", "directory": str(tmp_path / "whole")}
    researcher.post(reverse("import-run"), given)
    [run] = Run.objects.all()
    work(Job.objects.get().pk)
    run.refresh_from_db()
    assert (run.state, run.features.count()) == (Run.State.DONE, 3)
    bad = researcher.post(reverse("import-run"), {"name": "x", "directory": str(tmp_path / "no")})
    assert bad.status_code == 422
    assert "is missing" in _text(bad)
    run_directories.make(tmp_path / "changed")
    researcher.post(reverse("import-run"), {"name": "c", "directory": str(tmp_path / "changed")})
    (tmp_path / "changed" / "corpus.parquet").write_bytes(b"other")
    work(Job.objects.latest("pk").pk)
    changed = Run.objects.get(name="c")
    assert changed.state == Run.State.FAILED
    assert "differs from its hash" in changed.error


def test_health_readiness_and_figures(client: Client, settings: Any) -> None:
    assert client.get(reverse("health")).content == b"ok"
    ready = client.get(reverse("ready"))
    assert ready.json() == {
        "database": "ok", "broker": "failed", "data_folder": "ok", "disk_space": "ok",
    }  # fmt: skip
    assert ready.status_code == 200
    assert client.get(reverse("metrics")).status_code == 404
    settings.METRICS_TOKEN = "t0ken"
    assert client.get(reverse("metrics")).status_code == 404
    factories.make_study()
    given = client.get(reverse("metrics"), headers={"authorization": "Bearer t0ken"})
    text = _text(given)
    assert 'earwitness_studies{state="open"} 1.0' in text
    assert "earwitness_oldest_waiting_job_seconds 0.0" in text


def test_facts_are_flat_and_in_words() -> None:
    tree = {"a": {"b": [1, 2], "c": {}}, "d": "x", "e": []}
    assert facts(tree) == [("a · b", "1, 2"), ("a · c", "none"), ("d", "x"), ("e", "none")]


def test_a_failed_run_is_queued_again_and_a_done_one_is_not(researcher: Client) -> None:
    run = factories.make_run()
    refused = researcher.post(reverse("queue-run", args=[run.pk]), follow=True)
    assert "only a new, failed or stopped run can be queued" in _text(refused)
    Run.objects.update(state="failed", config=configs.config_from_toml(text=CONFIG))
    researcher.post(reverse("queue-run", args=[run.pk]))
    assert Run.objects.get().state == Run.State.QUEUED


def test_buttons_change_the_state_of_a_study(researcher: Client) -> None:
    study = factories.make_study(state=Study.State.DRAFT)
    place = [study.slug, study.version]
    for action, state in (
        ("freeze", "frozen"), ("open", "open"), ("pause", "paused"), ("open", "open"),
        ("close", "closed"),
    ):  # fmt: skip
        page = researcher.post(reverse(f"{action}-study", args=place), follow=True)
        assert f"{study} is {state}." in _text(page)
    refused = researcher.post(reverse("open-study", args=place), follow=True)
    assert "must be frozen or paused" in _text(refused)


def test_a_study_page_counts_answers_against_the_wish(researcher: Client) -> None:
    study = factories.make_study(ratings_per_item=1)
    other = Client()
    passages.finish(other, study, passages.reach_trials(other, study))
    page = _text(researcher.get(reverse("study", args=[study.slug, 1])))
    assert "<strong>3</strong> of 12 ratings planned" in page
    assert f"http://testserver/s/{study.slug}/" in page
    assert "complete" in page


def test_what_is_not_there_is_a_404(researcher: Client) -> None:
    assert researcher.get(reverse("run", args=[99])).status_code == 404
    assert researcher.get(reverse("study", args=["none", 1])).status_code == 404


def test_downloads(researcher: Client) -> None:
    study = factories.make_study(state=Study.State.CLOSED)
    place = [study.slug, study.version]
    table = researcher.get(reverse("responses-csv", args=place))
    text = b"".join(table.streaming_content).decode()  # type: ignore[attr-defined]
    assert next(csv.reader(io.StringIO(text)))[:2] == ["study", "study_version"]
    assert table.headers["Content-Disposition"].endswith('-v1-responses.csv"')
    archive = researcher.get(reverse("export-zip", args=place))
    data = io.BytesIO(b"".join(archive.streaming_content))  # type: ignore[attr-defined]
    assert f"{study.slug}-v1/study.json" in zipfile.ZipFile(data).namelist()


def test_the_administration_edits_drafts_by_their_rules_and_nothing_frozen(
    researcher: Client,
) -> None:
    study = factories.make_study(state=Study.State.DRAFT)
    address = reverse("admin:studyapp_study_change", args=[study.pk])
    form = {
        "title": "Another title", "ratings_per_item": "2", "trials_per_participation": "3",
        "lease_minutes": "90", "consent_text": "c", "instructions_text": "i", "contact": "",
        "ethics_approval": "", "exclusion_rules": "{}", "analysis_plan": "{}",
        "design": "between", "repeat_trials": "0", "codes": "{}",
        "quality_rules": '{"fast_seconds": 2, "straight_line": 5}',
        "languages": '["en"]', "texts": "{}", "debrief_text": "d", "questions": "{}",
        "hear_before_choosing": "0", "most_plays": "0", "own_questions": "[]",
    }  # fmt: skip
    assert researcher.post(address, form).status_code == 302
    study.refresh_from_db()
    assert (study.title, study.ratings_per_item) == ("Another title", 2)
    refused = researcher.post(address, form | {"trials_per_participation": "99"}, follow=True)
    assert "Not saved: 99 trials need as many different features" in _text(refused)
    Study.objects.update(state=Study.State.FROZEN)
    assert researcher.post(address, form | {"title": "Late"}).status_code == 403
    study.refresh_from_db()
    assert (study.title, study.trials_per_participation) == ("Another title", 3)


def test_administration_shows_answers_and_changes_none(researcher: Client) -> None:
    study = factories.make_study()
    other = Client()
    passages.finish(other, study, passages.reach_trials(other, study))
    for model in ("response", "event", "participation", "trial", "item", "run"):
        page = researcher.get(reverse(f"admin:studyapp_{model}_changelist"))
        assert page.status_code == 200
        assert researcher.get(reverse(f"admin:studyapp_{model}_add")).status_code == 403
