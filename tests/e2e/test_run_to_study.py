"""A run through broker and worker, a study made from it, and its pages in a real browser."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.site import LiveSite, python

pytestmark = pytest.mark.xdist_group("e2e")


def test_a_queued_run_becomes_rows_although_its_worker_was_killed(
    site: LiveSite, finished: int
) -> None:
    stages = site.query(
        f'SELECT stage, state FROM studyapp_stagerecord WHERE run_id = {finished} ORDER BY "order"'
    )
    assert [stage for stage, _ in stages] == [
        "corpus", "activations", "sae", "features", "exemplars", "labels", "scores",
    ]  # fmt: skip
    assert {state for _, state in stages} == {"done"}
    [(features,)] = site.query("SELECT count(*) FROM studyapp_feature f WHERE run_id ="
                               f" {finished}")  # fmt: skip
    assert features >= 10
    methods = site.query("SELECT DISTINCT method FROM studyapp_labelcandidate WHERE status = 'ok'")
    assert {("descriptors",), ("corpus-tags",)} <= set(methods)
    assert "worker was killed by signal 9; restarting it" in site.output.read_text()


def test_a_second_notification_does_not_run_a_done_run_again(site: LiveSite, finished: int) -> None:
    before = site.query(f"SELECT finished_at FROM studyapp_run WHERE id = {finished}")
    [(job,)] = site.query(f"SELECT id FROM studyapp_job WHERE kind = 'run' AND target = {finished}")
    script = f"from studyapp.jobs.tasks import work; work({job})"
    python(site.data, "-c", f"import django; django.setup(); {script}")
    assert site.query(f"SELECT finished_at FROM studyapp_run WHERE id = {finished}") == before


def test_the_study_of_the_run_is_served(site: LiveSite, finished: int) -> None:
    answer = httpx.get(f"{site.url}/s/tiny/", follow_redirects=False, timeout=10)
    with httpx.Client(cookies=answer.cookies, timeout=10) as client:
        page = client.get(f"{site.url}{answer.headers['location']}")
    assert 'data-page="consent"' in page.text


def test_researcher_and_participant_in_a_browser(
    site: LiveSite, finished: int, browser: Browser, tmp_path: Path
) -> None:
    name, password = site.login()
    context = browser.new_context()
    page = context.new_page()
    page.goto(site.url)
    page.fill("#id_username", name)
    page.fill("#id_password", password)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="tiny", exact=True).click()
    assert page.get_by_role("heading", name="tiny").is_visible()
    assert page.locator(".badge.good", has_text="done").count() == 8
    page.get_by_role("link", name="Runs and studies").first.click()
    page.get_by_role("link", name="tiny v1").click()
    link = page.locator("#link + p a").inner_text()
    participant = browser.new_context()
    _first_trial(participant.new_page(), link)
    page.get_by_text("Unblind", exact=True).click()
    page.get_by_label("Why?", exact=False).fill("to see the export")
    page.get_by_role("button", name="Unblind permanently").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Everything (zip)").click()
    download.value.save_as(tmp_path / "export.zip")
    participant.close()
    context.close()
    with zipfile.ZipFile(tmp_path / "export.zip") as archive:
        text = archive.read("tiny-v1/responses.csv").decode()
        names = {Path(entry).name for entry in archive.namelist()}
    practised, row = csv.DictReader(io.StringIO(text))
    assert (practised["kind"], practised["trial"], practised["feature"]) == ("practice", "1", "")
    assert (row["confidence"], row["chosen_position"], row["kind"]) == ("4", "2", "main")
    assert row["free_text"] == "Käfer, „summend“"
    assert names >= {"participants.csv", "trials.csv", "events.csv", "labels.csv", "stimuli.csv",
                     "study.json", "codebook.json", "codebook.md"}  # fmt: skip


def _first_trial(page: Page, link: str) -> None:
    """Consent, checks (with any answer), practice, three sounds played, an answer."""
    page.goto(link)
    page.get_by_role("button", name="I agree").click()
    page.locator("body[data-page=volume]").wait_for()  # the device check continues by itself
    while page.locator("body").get_attribute("data-page") in ("volume", "headphones"):
        before = page.locator("form[data-safe] input[name=token]").get_attribute("value")
        _play_a_moment(page)
        page.locator("form[data-safe] input[type=radio]").first.check(force=True)
        page.get_by_role("button", name="Continue").click()
        gone = f"form[data-safe] input[name=token][value='{before}']"
        page.locator(gone).wait_for(state="detached")
        page.locator("h1").wait_for()
    page.get_by_role("button", name="Start practice").click()
    _answer(page)
    page.get_by_role("button", name="Start").click()
    _answer(page)
    page.get_by_text("Trial 2 of 2").first.wait_for()


def _play_a_moment(page: Page) -> None:
    """Play the last sound, which the check asks about, until some of it was heard."""
    page.locator(".player-button").last.click()
    played = "() => [...document.querySelectorAll('audio')].at(-1).currentTime > 0.1"
    # Not `wait_for_function`: from its second poll on, the page's content policy forbids it.
    while not page.evaluate(played):
        page.wait_for_timeout(50)


def _answer(page: Page) -> None:
    """Play three sounds and answer."""
    for number in (1, 2, 3):
        page.get_by_role("button", name=f"Play sound {number}").click()
        page.locator(f".player[data-clip='{number}'].heard").wait_for(timeout=30_000)
    page.locator("input[name=choice]").nth(1).check(force=True)
    page.locator("input[name=confidence][value='4']").check(force=True)
    page.fill("#free_text", "Käfer, „summend“")
    page.get_by_role("button", name="Save and continue").click()
