"""From login to an open study of a finished run: real servers, a real worker, a browser.

Before `test_zz_light_web.py`, which closes the other study.
"""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Browser, Locator

from tests.e2e.site import LiveSite

pytestmark = pytest.mark.xdist_group("e2e")
MOST_CLICKS = 14
MOST_SECONDS = 120


def test_an_open_study_in_under_fifteen_clicks_and_two_minutes(
    site: LiveSite, finished: int, browser: Browser
) -> None:
    name, password = site.login()
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(60_000)
    clicks = 0

    def click(target: Locator) -> None:
        nonlocal clicks
        target.click()
        clicks += 1

    page.goto(f"{site.url}/login/")
    began = time.monotonic()
    page.fill("#id_username", name)
    page.fill("#id_password", password)
    click(page.get_by_role("button", name="Log in"))
    click(page.get_by_role("link", name="New study").last)
    for number in range(1, 9):
        page.get_by_text(f"Step {number} of 9").wait_for()
        if number == 5:
            page.locator("#power").get_by_text("Monte Carlo error").wait_for()
        click(page.locator("#draft-form > .actions button").first)
    click(page.get_by_role("button", name="Create the study"))
    click(page.get_by_text("Freeze", exact=True))
    click(page.get_by_role("button", name="Freeze for good"))
    click(page.get_by_role("button", name="Open", exact=True))
    page.get_by_role("button", name="Pause").wait_for()
    seconds = time.monotonic() - began
    [(slug, state, design_hash)] = site.query(
        "SELECT slug, state, design_hash FROM studyapp_study WHERE slug LIKE 'listening%'"
    )
    context.close()
    assert (state, len(design_hash)) == ("open", 64)
    assert clicks <= MOST_CLICKS
    assert seconds < MOST_SECONDS
    print(f"{slug}: {clicks} clicks, {seconds:.1f} s")  # noqa: T201 - the figure, with pytest -s
