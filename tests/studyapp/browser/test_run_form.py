"""The run form in Chromium: fields update the text, the text fills the fields, both are checked."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Page, expect

from studyapp.models import Membership, Project, Role, Run
from tests.studyapp import startable
from tests.studyapp.browser.test_researcher_pages import enter

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def form(page: Page, live_server: Any) -> Page:
    """The page of a new run, once its script is working."""
    enter(page, User.objects.create_superuser("ada", password="x"), live_server.url)
    page.goto(reverse("new-run"))
    # The page requests the estimate itself, so htmx is running.
    expect(page.locator("#estimate")).to_contain_text("Your settings are checked here as you type.")
    page.wait_for_load_state("networkidle")
    return page


def test_fields_make_a_run_that_starts(form: Page) -> None:
    form.get_by_label("Name").first.fill("By fields")
    form.locator("#field-corpus-path").fill(startable.CORPUS)
    form.locator("#field-subject-model").fill(startable.MODEL)
    form.get_by_label("Hookpoints").fill(startable.HOOKPOINT)
    text = form.get_by_label("Config", exact=True)
    begun = (
        f'[corpus]\npath = "{startable.CORPUS}"\n\n[subject]\nmodel = "{startable.MODEL}"\n'
        f'hookpoints = [\n    "{startable.HOOKPOINT}",\n]\n'
    )
    expect(text).to_have_value(begun)
    expect(form.locator("#estimate")).to_contain_text("The config is valid.")
    form.get_by_label("gemini", exact=True).check()
    expect(form.locator("#estimate")).to_contain_text("gemini needs a key: set GEMINI_API_KEY")
    expect(text).to_have_value(
        begun
        + '\n[labels]\nmethods = [\n    "descriptors",\n    "corpus-tags",\n    "gemini",\n]\n'
    )
    form.get_by_label("gemini", exact=True).uncheck()
    form.get_by_label("k", exact=True).fill("8, 16")
    expect(text).to_have_value(begun + "\n[sae]\nks = [\n    8,\n    16,\n]\n")
    name = form.get_by_label("Name").first
    name.fill("")
    form.get_by_role("button", name="Start the run").click()
    required = form.get_by_text("This field is required.")
    expect(required).to_be_visible()
    name.fill("By fields")
    expect(required).to_have_count(0)
    form.get_by_role("button", name="Start the run").click()
    form.get_by_role("heading", name="By fields").wait_for()
    config = Run.objects.get().config
    assert (config["sae"]["ks"], config["labels"]["methods"]) == (
        [8, 16], ["descriptors", "corpus-tags"],
    )  # fmt: skip


def test_a_wrong_field_is_named_and_led_to(form: Page) -> None:
    form.locator("#field-subject-model").fill("nano")
    form.get_by_label("Hookpoints").fill("decoder.layers.0.resid_post")
    form.get_by_label("Steps").fill("many")
    expect(form.get_by_role("alert")).to_contain_text(
        "[sae] steps must be a whole number, not 'many'"
    )
    form.get_by_role("link", name="Go to the field").click()
    assert form.url.endswith("#field-sae-steps")


def test_what_is_typed_as_text_fills_the_fields(form: Page) -> None:
    text = form.get_by_label("Config", exact=True)
    text.fill('[sae]\nks = [5]\n[labels]\nmethods = ["essentia"]\n[features]\npreset = "paper"\n')
    expect(form.get_by_label("k", exact=True)).to_have_value("5")
    expect(form.get_by_label("Preset")).to_have_value("paper")
    expect(form.get_by_label("essentia", exact=True)).to_be_checked()
    expect(form.get_by_label("descriptors", exact=True)).not_to_be_checked()
    expect(form.get_by_role("alert")).to_contain_text("section [subject] is missing")
    text.fill("[sae")
    expect(form.get_by_role("alert")).to_contain_text("not TOML")
    expect(form.get_by_label("k", exact=True)).to_have_value("5")


def test_a_researcher_chooses_corpus_and_model_from_lists(
    page: Page, live_server: Any, tmp_path: Path, settings: Any
) -> None:
    (tmp_path / "corpora/good").mkdir(parents=True)
    shutil.copytree(startable.MODEL, tmp_path / "models/nano")
    for number in range(3):
        (tmp_path / f"corpora/good/{number}.wav").touch()
    settings.CORPORA = [str(tmp_path / "corpora")]
    settings.MODELS = [str(tmp_path / "models")]
    user = User.objects.create_user("edda", password="x")
    project = Project.objects.create(name="Hearing")
    Membership.objects.create(project=project, user=user, role=Role.EDITOR)
    enter(page, user, live_server.url)
    page.goto(reverse("new-run"))
    page.wait_for_load_state("networkidle")
    page.get_by_label("Name").first.fill("By lists")
    page.get_by_label("Path").select_option(str(tmp_path / "corpora/good"))
    page.locator("#field-subject-model").select_option(str(tmp_path / "models/nano"))
    page.get_by_label("Hookpoints").fill("decoder.layers.0.resid_post")
    expect(page.locator("#estimate")).to_contain_text("Tracks3")
    text = page.get_by_label("Config", exact=True)
    written = text.input_value()
    text.fill(written + '[gemini]\nbase_url = "http://127.0.0.1:9"\n')
    expect(page.get_by_role("alert")).to_contain_text("is set by the administrator of this site")
    # htmx gives what it has swapped in its listeners a moment later.
    expect(page.locator(".htmx-request, .htmx-swapping, .htmx-settling")).to_have_count(0)
    text.fill(written.replace("corpora/good", "elsewhere"))
    expect(page.get_by_role("alert")).to_contain_text("is not offered here; choose from")
    expect(page.get_by_label("Path")).to_contain_text("(not offered here)")
    expect(page.locator(".htmx-request, .htmx-swapping, .htmx-settling")).to_have_count(0)
    text.fill(written)
    expect(page.locator("#estimate")).to_contain_text("The config is valid.")
    page.get_by_role("button", name="Start the run").click()
    page.get_by_role("heading", name="By lists").wait_for()
    assert Run.objects.get().project == project
