"""What a run lacks here is said before it starts: on the form, on its page, and by the worker."""

from __future__ import annotations

from html import unescape
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from pipeline.config import config_from_dict
from pipeline.errors import PipelineError
from pipeline.labelers import ABOUT, LABELERS
from pipeline.progress import SilentProgress
from pipeline.readiness import missing
from pipeline.run import execute_stage
from pipeline.scorers import ABOUT as ABOUT_SCORERS
from pipeline.scorers import SCORERS
from studyapp.models import Job, Membership, Project, Role, Run
from studyapp.runs.selectors import next_name
from studyapp.runs.services import readiness
from tests.studyapp import factories, startable

pytestmark = pytest.mark.django_db
NO_CLAP = "CLAP is needed, but no model is set"
NO_KEY = "gemini needs a key: set GEMINI_API_KEY"


@pytest.fixture(autouse=True)
def _bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GEMINI_API_KEY", "EARWITNESS_CLAP_MODEL", "EARWITNESS_ESSENTIA_MODEL"):
        monkeypatch.delenv(name, raising=False)


def config(**sections: Any) -> dict[str, Any]:
    """A config that can run here, apart from what is given."""
    return {
        "corpus": {"path": startable.CORPUS},
        "subject": {"model": startable.MODEL, "hookpoints": [startable.HOOKPOINT]},
    } | sections


def toml(**sections: Any) -> str:
    return tomli_w.dumps(config(**sections))


@pytest.mark.parametrize(
    ("sections", "line"),
    [
        ({}, ""),
        ({"corpus": {}}, "no corpus is given"),
        ({"corpus": {"path": "/nowhere"}}, "corpus folder /nowhere does not exist"),
        ({"labels": {"methods": ["gemini"]}}, NO_KEY),
        ({"labels": {"methods": ["essentia"]}}, "essentia needs"),
        ({"labels": {"methods": ["free-text"]}}, "free-text needs an earlier study's answers"),
        ({"labels": {"methods": ["random-label"]}}, "random-label needs another method"),
        ({"labels": {"synonyms": "clap"}}, NO_CLAP),
        ({"scores": {"scorers": ["detection"]}}, NO_CLAP),
        ({"scores": {"scorers": ["clap"]}, "clap": {"model": "/nowhere"}}, "/nowhere has no"),
        ({"scores": {"scorers": ["clap"]}, "clap": {"model": startable.CLAP}}, ""),
    ],
)
def test_each_thing_that_is_missing_is_one_line(sections: dict[str, Any], line: str) -> None:
    found = missing(config_from_dict(config(**sections)))
    assert len(found) == bool(line)
    assert line in "".join(found)


def test_a_model_that_is_not_there_is_missing(tmp_path: Path) -> None:
    subject = config()["subject"] | {"model": str(tmp_path)}
    [line] = missing(config_from_dict(config(subject=subject)))
    assert line == f"subject folder {tmp_path} has no config.json"


def test_every_method_and_scorer_says_what_it_is() -> None:
    assert list(ABOUT) == list(LABELERS)
    assert list(ABOUT_SCORERS) == list(SCORERS)


def test_only_what_is_needed_up_to_a_stage_is_asked_for() -> None:
    whole = config_from_dict(config(labels={"methods": ["gemini"]}))
    assert missing(whole, until="exemplars") == []


def test_the_form_marks_what_this_machine_cannot_do_and_starts_no_such_run(
    researcher: Client,
) -> None:
    def said(response: Any) -> str:
        return unescape(response.content.decode())

    text = toml(scores={"scorers": ["detection"]}, labels={"methods": ["gemini"]})
    page = said(researcher.post(reverse("check-config"), {"config": text}))
    assert "The config is valid." not in page
    assert "This run cannot start here yet." in page
    assert f"<li>{NO_KEY}</li>" in page
    assert NO_CLAP in page
    # Three of essentia; gemini, audio-chat, captioner and free-text; four of CLAP.
    assert page.count("not available here") == 3 + 4 + 4
    assert "The same is missing as for clap." in page
    refused = researcher.post(reverse("new-run"), {"name": "x", "config": text})
    assert refused.status_code == 422
    assert f"This run cannot start here: {NO_KEY}; {NO_CLAP}" in said(refused)
    assert not Run.objects.exists()
    with_clap = toml(scores={"scorers": ["detection"]}, clap={"model": startable.CLAP})
    page = said(researcher.post(reverse("check-config"), {"config": with_clap}))
    assert "The config is valid. This machine has what the run needs." in page
    assert page.count("not available here") == 3 + 4
    assert f'name="clap.model" value="{startable.CLAP}"' in page


def test_a_failed_run_that_would_fail_again_is_not_queued(researcher: Client) -> None:
    run = factories.make_run()
    Run.objects.update(state="failed", config=config(labels={"methods": ["gemini"]}))
    page = researcher.post(reverse("queue-run", args=[run.pk]), follow=True)
    assert NO_KEY in unescape(page.content.decode())
    run.refresh_from_db()
    assert run.state == Run.State.FAILED
    assert not Job.objects.filter(kind="run").exists()


def test_a_worker_asks_before_anything_is_read_or_written(tmp_path: Path) -> None:
    made = config_from_dict(config(labels={"methods": ["gemini"]}))
    with pytest.raises(PipelineError, match=NO_KEY):
        execute_stage(made, tmp_path / "run", "corpus", progress=SilentProgress())
    assert not (tmp_path / "run").exists()


def test_nobody_learns_whether_a_path_exists_by_naming_it(tmp_path: Path) -> None:
    """`free_text.responses` may only be named by administrators: the mark does not depend on it."""
    (tmp_path / "responses.csv").touch()
    named = config(free_text={"responses": str(tmp_path / "responses.csv")})
    marks = [
        {one.name: one.lacks for one in readiness.choices(named, trusted=trusted)["labels.methods"]}
        for trusted in (True, False)
    ]
    assert marks[0]["free-text"] == ""
    assert "set [free_text] responses" in marks[1]["free-text"]


def test_researchers_choose_clap_among_the_models_that_are_clap(
    client: Client, settings: Any
) -> None:
    settings.MODELS = [
        str(Path(startable.CLAP).parent),
        "laion/larger_clap_music",
        "facebook/musicgen-small",
    ]
    user = User.objects.create_user("edda", password="x")
    project = Project.objects.create(name="Hearing")
    Membership.objects.create(project=project, user=user, role=Role.EDITOR)
    client.force_login(user)
    page = client.get(reverse("new-run")).content.decode()
    menu = page[page.index('<select id="field-clap-model"') :]
    menu = menu[: menu.index("</select>")]
    assert f'value="{startable.CLAP}"' in menu
    assert 'value="laion/larger_clap_music"' in menu
    assert "musicgen" not in menu


@pytest.mark.parametrize(
    ("taken", "like", "name"),
    [
        (["demo"], "demo", "demo 2"),
        (["demo", "demo 2"], "demo 2", "demo 3"),
        (["demo", "demo 7", "demonstration 9"], "demo", "demo 8"),
        (["x" * 100], "x" * 100, "x" * 98 + " 2"),
    ],
)
def test_a_duplicate_has_a_free_name(taken: list[str], like: str, name: str) -> None:
    for one in taken:
        factories.make_run(name=one, clips=0)
    assert next_name(like) == name
