"""The feature browser in Chromium, with pictures made by the real worker from a real run."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.e2e.site import LiveSite, python, until

pytestmark = pytest.mark.xdist_group("e2e")


@pytest.fixture
def page(site: LiveSite, finished: int, browser: Browser) -> Page:
    """The feature browser of the finished run, seen by a logged-in researcher."""
    name, password = site.login()
    page = browser.new_context().new_page()
    page.goto(f"{site.url}/login/?next=/runs/{finished}/features/")
    page.get_by_label("Name", exact=False).first.fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("main").get_by_role("button").first.click()
    page.get_by_role("heading", name="Features").wait_for()
    return page


def test_from_the_list_to_a_feature_and_on_by_keyboard(site: LiveSite, page: Page) -> None:
    assert Axe().run(page).violations_count == 0
    page.keyboard.press("j")
    page.keyboard.press("j")
    chosen = page.locator("tr.current .identifier").inner_text()
    heading = page.get_by_role("heading", level=1).get_by_text(chosen, exact=True)
    page.keyboard.press("Enter")
    heading.wait_for()
    page.locator(".strip .timeline").first.wait_for(timeout=60_000)
    page.locator(".strip img").first.wait_for()
    assert Axe().run(page).violations_count == 0
    page.keyboard.press("1")
    line = page.locator(".playhead line").first
    until(lambda: float(line.get_attribute("x1") or 0) > 50, 20, "the playhead moves")
    page.keyboard.press("j")
    heading.wait_for(state="detached")
    page.keyboard.press("u")
    page.get_by_role("heading", name="Features").wait_for()


def test_a_filter_is_in_the_address_and_keeps_its_place(page: Page) -> None:
    page.get_by_label("Sort").select_option("Rarest first")
    page.wait_for_url("**order=rate*")
    rates = [
        float(text.split()[0]) for text in page.locator("[data-column=rate]").all_inner_texts()
    ]
    assert rates == sorted(rates)
    page.fill("#id_q", "zzzz")
    page.get_by_text("No features match").wait_for()
    assert "q=zzzz" in page.url


def test_a_timeline_is_strongest_where_the_pipeline_says(
    site: LiveSite, finished: int, page: Page
) -> None:
    """Both correct for the codebook delay, so they must agree on the moment."""
    page.locator("tbody th a").first.click()
    page.locator(".strip .timeline").first.wait_for(timeout=60_000)
    rows = until(
        lambda: site.query(
            "SELECT v.facts, e.peak_seconds, c.track FROM studyapp_featureview v"
            " JOIN studyapp_exemplar e ON e.feature_id = v.feature_id"
            " JOIN studyapp_clip c ON c.id = e.clip_id"
        ),
        60,
        "a view is made",
    )
    for facts, peak, track in rows:
        line = json.loads(facts)["timelines"][track]
        strongest = {
            round((line["first_frame"] + i + 0.5) / line["frame_rate"], 6)
            for i, value in enumerate(line["values"])
            if value == max(line["values"])
        }
        assert round(peak, 6) in strongest


def test_what_was_steered_after_the_run_is_played_on_the_features_page(
    site: LiveSite, finished: int, page: Page
) -> None:
    [(folder,)] = site.query(f"SELECT directory FROM studyapp_run WHERE id = {finished}")
    run = site.data / folder
    python(site.data, "-m", "pipeline", "steer", str(run), "--features", "1", "--seconds", "1",
           "--alpha", "0", "--alpha", "2", "--prompt", "")  # fmt: skip
    records = pq.read_table(next((run / "steering").glob("*.parquet"))).to_pylist()
    sae, _, index = records[0]["feature"].partition("/")
    page.goto(f"{site.url}/runs/{finished}/features/{sae}/{index}/")
    card = page.get_by_role("region", name="Steering")
    card.wait_for(timeout=60_000)
    strips = card.locator(".strip")
    assert strips.locator("strong").all_inner_texts() == [
        "without", "α = 0", "α = 2",
    ]  # fmt: skip
    assert "0% differ" in strips.nth(1).inner_text()
    strips.nth(2).get_by_role("button").click()
    line = strips.nth(2).locator(".playhead line")
    until(lambda: float(line.get_attribute("x1") or 0) > 50, 20, "the playhead moves")
    assert Axe().run(page).violations_count == 0
