"""A fifth of all requests is lost: every acknowledged answer is stored once, everyone finishes."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page

from tests.e2e.lossy import KINDS, LossyProxy, lossy
from tests.e2e.site import LiveSite

pytestmark = pytest.mark.xdist_group("e2e")

LISTENERS = 6
TRIALS = 5


def answers_of(site: LiveSite, slug: str) -> dict[str, tuple[int, int, int]]:
    """Token of a trial → number of its responses, and choice and confidence of the last."""
    rows = site.query(
        "SELECT t.token, COUNT(r.id), MAX(r.choice), MAX(r.confidence) FROM studyapp_trial t "
        "JOIN studyapp_participation p ON p.id = t.participation_id "
        "JOIN studyapp_study s ON s.id = p.study_id "
        f"JOIN studyapp_response r ON r.trial_id = t.id WHERE s.slug = '{slug}' GROUP BY t.token"
    )
    return {token: (count, choice, confidence) for token, count, choice, confidence in rows}


def codes_without_data(site: LiveSite, slug: str) -> list[tuple[object, ...]]:
    """Participations that have a code but not an answer to each of their trials."""
    return site.query(
        "SELECT p.identifier FROM studyapp_participation p "
        "JOIN studyapp_study s ON s.id = p.study_id JOIN studyapp_trial t "
        "ON t.participation_id = p.id LEFT JOIN studyapp_response r ON r.trial_id = t.id "
        f"WHERE s.slug = '{slug}' AND p.completion_code <> '' AND r.id IS NULL"
    )


def test_listeners_lose_no_answer_when_a_fifth_of_requests_is_lost(
    site: LiveSite, tmp_path: Path
) -> None:
    site.prepare("study", "lossy")
    log = tmp_path / "acknowledged.jsonl"
    with lossy(site.port, seed=4) as proxy:
        said = site.manage(
            "simulate", "lossy", "--participants", str(LISTENERS), "--url", proxy.url,
            "--log", str(log), "--concurrency", "3",
        )  # fmt: skip
    assert set(proxy.lost) == set(KINDS)
    assert re.search(rf"completed +{LISTENERS} participations", said), said
    acknowledged = [json.loads(line) for line in log.read_text().splitlines()]
    stored = answers_of(site, "lossy")
    assert len(stored) == LISTENERS * TRIALS
    assert {one["trial"] for one in acknowledged} == set(stored)
    for one in acknowledged:
        answer = one["answer"]
        assert stored[one["trial"]] == (1, answer["choice"], answer["confidence"])
    assert codes_without_data(site, "lossy") == []
    [(complete,)] = site.query(
        "SELECT COUNT(*) FROM studyapp_participation p JOIN studyapp_study s ON s.id = p.study_id "
        "WHERE s.slug = 'lossy' AND p.completion_code <> ''"
    )
    assert complete == LISTENERS


def test_the_pages_script_loses_nothing_either(browser: Browser, site: LiveSite) -> None:
    """In Chromium: a page that fails to load is reloaded, the rest is up to the page's script."""
    site.prepare("study", "lossy-page")
    with lossy(site.port, seed=11) as proxy:
        context = browser.new_context(base_url=proxy.url)
        context.set_default_timeout(5_000)
        page = context.new_page()
        code = walk(page, proxy)
        context.close()
    assert proxy.lost.total() > 0
    stored = answers_of(site, "lossy-page")
    assert [count for count, _, _ in stored.values()] == [1] * TRIALS
    [(kept,)] = site.query(f"SELECT completion_code FROM studyapp_participation "
                           f"WHERE completion_code = '{code}'")  # fmt: skip
    assert kept == code
    assert codes_without_data(site, "lossy-page") == []


def walk(page: Page, proxy: LossyProxy) -> str:
    """Go from the link to the code as a person would; returns the code."""
    link = f"{proxy.url}/s/lossy-page/?PROLIFIC_PID=lost&STUDY_ID=s&SESSION_ID=x"
    for _ in range(400):
        try:
            code = step(page, link)
        except Error:
            load(page, link)  # the page did not come, or only half of it
            continue
        if code:
            return code
    raise AssertionError(f"no code after 400 steps; {page.url}: {page.content()[:2000]}")


def step(page: Page, link: str) -> str:
    """Do one thing on the open page; returns the code once there is one."""
    where = page.locator("body").get_attribute("data-page") if page.url != "about:blank" else None
    if where == "thanks":
        return page.locator(".code").inner_text()
    if where == "consent":
        page.locator("button[value=agree]").click()
    elif where == "instructions":
        page.locator("form button").click()
    elif where == "trial":
        answer(page)
    else:
        load(page, link)
    return ""


def load(page: Page, link: str) -> None:
    try:
        page.goto(link, wait_until="domcontentloaded")
    except Error:
        return


def answer(page: Page) -> None:
    """Play all three sounds, choose, and submit; wait until the next page has loaded."""
    token = page.locator("input[name=trial]").get_attribute("value")
    page.locator(".outline[d*=M]").last.wait_for(state="attached")
    for number in (1, 2, 3):
        player = page.locator(f".player[data-clip='{number}']")
        for _ in range(8):
            if "heard" in (player.get_attribute("class") or ""):
                break
            player.locator("button").click()
            with suppress(Error):  # a sound that did not come is asked for again
                page.locator(f".player.heard[data-clip='{number}']").wait_for(timeout=1_500)
    page.locator("input[name=choice][value='3']").check()
    page.locator("input[name=confidence][value='4']").check()
    page.locator("#answer .actions button").last.click()
    answered = page.locator(f"input[name=trial][value='{token}']")
    answered.wait_for(state="detached", timeout=20_000)
