"""Responses that a page's script does not expect: the page never gets stuck."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django import forms
from playwright.sync_api import Page, Route, expect

from studyapp.models import Event, Response, StepRecord, Study
from studyapp.recruitment.services import configuration
from studyapp.studies.services import lifecycle
from tests.studyapp.browser.test_passage import (
    choose,
    expect_trial,
    listen,
    study_of,
    to_first_trial,
)
from tests.studyapp.factories import make_features, make_run, make_study
from tests.studyapp.participation.test_language import SITE

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def study(db: None) -> Study:
    return study_of(seconds=0.6)


def answered(page: Page, study: Study) -> None:
    """A page at the first trial with everything played and chosen."""
    to_first_trial(page, study)
    listen(page)
    choose(page, choice=3)


def save(page: Page) -> None:
    page.get_by_role("button", name=re.compile("Save and")).click()


def once(page: Page, pattern: str, handle: Callable[[Route], None]) -> None:
    """Let `handle` answer the next POST to that URL; all others go through."""
    left = 1

    def route(one: Route) -> None:
        nonlocal left
        if one.request.method == "POST" and left:
            left -= 1
            handle(one)
        else:
            one.continue_()

    page.route(pattern, route)


def test_a_lost_token_cookie_costs_nothing(page: Page, study: Study) -> None:
    answered(page, study)
    page.context.clear_cookies(name="csrftoken")
    save(page)
    expect_trial(page, 2)
    assert [one.choice for one in Response.objects.all()] == [3]


def test_a_lost_token_cookie_before_the_sounds_costs_no_listening(page: Page, study: Study) -> None:
    """The events are refused at first, and kept until the page is reloaded."""
    to_first_trial(page, study)
    page.context.clear_cookies(name="csrftoken")
    listen(page)
    choose(page, choice=3)
    assert not Event.objects.filter(type="ended").exists()
    save(page)
    expect_trial(page, 2)
    assert [one.choice for one in Response.objects.all()] == [3]
    assert set(Event.objects.filter(type="ended").values_list("clip", flat=True)) == {1, 2, 3}


def test_a_lost_place_cookie_is_said(page: Page, study: Study) -> None:
    answered(page, study)
    page.context.clear_cookies(name="place")
    save(page)
    expect(page.get_by_role("heading", name="We cannot find your place")).to_be_visible()


def fail_first(page: Page) -> None:
    """Let the first request for each sound fail."""
    seen: set[str] = set()

    def fail_once(route: Route) -> None:
        known = route.request.url in seen
        seen.add(route.request.url)
        if known:
            route.continue_()
        else:
            route.fulfill(status=404, body="")

    page.route(re.compile("/audio/"), fail_once)


def test_a_sound_that_loads_at_the_second_try_is_not_called_failed(
    page: Page, study: Study
) -> None:
    """The page asks again after a second."""
    fail_first(page)
    to_first_trial(page, study)
    player = page.locator(".player[data-clip='1']")
    expect(player).to_have_class(re.compile("failed"))
    expect(player.locator("audio")).to_have_js_property("readyState", 4)
    expect(player).not_to_have_class(re.compile("failed|warned"))
    expect(player.locator(".player-message")).to_have_text("")
    expect(player.locator(".player-state")).to_have_text("Still to hear")


def test_a_failed_sound_that_is_played_by_its_button_is_not_stopped_by_the_retry(
    page: Page,
) -> None:
    """It is pressed before the page's own retry, and is longer than the wait for that."""
    fail_first(page)
    to_first_trial(page, study_of(seconds=2.0))
    player = page.locator(".player[data-clip='1']")
    expect(player).to_have_class(re.compile("failed"))
    page.get_by_role("button", name="Play sound 1").click()
    expect(player).to_have_class(re.compile("heard"))


@pytest.mark.parametrize("status", [403, 404, 413, 200, 400])
def test_a_page_of_whatever_kind_in_between_is_not_the_end(
    page: Page, study: Study, status: int
) -> None:
    """The proxy answers once with its own page; after that the answer gets through."""
    answered(page, study)
    once(page, "**/trial/", lambda route: route.fulfill(
        status=status, body="<h1>Something else</h1>", content_type="text/html"))  # fmt: skip
    save(page)
    expect_trial(page, 2)
    assert [one.choice for one in Response.objects.all()] == [3]


@pytest.mark.parametrize("status", [403, 413])
def test_an_intermediate_page_that_stays_is_shown(page: Page, study: Study, status: int) -> None:
    answered(page, study)
    page.route("**/trial/", lambda route: route.fulfill(
        status=status, body="<h1>Something else</h1>", content_type="text/html")
        if route.request.method == "POST" else route.continue_())  # fmt: skip
    save(page)
    expect(page.get_by_role("heading", name="Something else")).to_be_visible()


def test_a_redirection_is_left_to_the_browser(page: Page, study: Study) -> None:
    answered(page, study)
    once(page, "**/trial/", lambda route: route.fulfill(
        status=302, headers={"Location": "https://elsewhere.example/"}))  # fmt: skip
    save(page)
    expect_trial(page, 2)


@pytest.mark.parametrize("body", ["{}", "[]", "null", '"x"'])
def test_json_that_says_nothing_is_not_understood(page: Page, study: Study, body: str) -> None:
    answered(page, study)
    once(page, "**/trial/", lambda route: route.fulfill(body=body, content_type="application/json"))
    save(page)
    expect_trial(page, 2)


@pytest.mark.parametrize("status", [403, 404, 413, 400])
def test_refused_events_do_not_hold_up_an_answer(page: Page, study: Study, status: int) -> None:
    answered(page, study)
    page.get_by_role("button", name="Play sound 1").click()
    once(page, "**/events", lambda route: route.fulfill(status=status, body="no"))
    save(page)
    expect_trial(page, 2)
    assert Response.objects.count() == 1


def test_a_study_that_was_closed_says_so(page: Page, study: Study) -> None:
    answered(page, study)
    lifecycle.close(study)
    save(page)
    expect(page.get_by_role("heading", name="This study has ended")).to_be_visible()


def test_the_questionnaire_recovers_too(page: Page) -> None:
    run = make_run(seconds=0.6, clips=6)
    make_features(run, count=3, exemplars=6)
    steps = ["consent", "instructions", "trial", "questionnaire"]
    study = make_study(run=run, features=3, trials_per_participation=1, steps=steps)
    page.goto(f"/s/{study.slug}/")
    page.get_by_role("button", name="I agree to take part").click()
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("Trial 1 of 1")).to_be_visible()
    listen(page)
    choose(page)
    save(page)
    page.locator("input[name=age_band]").first.check()
    page.context.clear_cookies(name="csrftoken")
    save(page)
    # Reloaded, with the choices kept.
    expect(page.locator(".saving")).to_have_text("")
    expect(page.locator("input[name=age_band]").first).to_be_checked()
    save(page)
    expect(page.get_by_role("heading", name="Thank you!")).to_be_visible()
    assert StepRecord.objects.filter(step="questionnaire", done_at__isnull=False).exists()


MEMBERS = """
() => {
  const form = document.createElement("form"), members = [];
  for (const name in form) members.push([name, typeof form[name]]);
  return members;
}
"""
PLAIN = {"name", "role", "title"}
"""Attributes of a form that no script and no submission reads but that researchers' forms need."""


def test_no_control_hides_a_member_of_its_form(page: Page) -> None:
    """`<button id="submit">` made `form.submit` a button; so does every such name or id."""
    members = {name for name, _ in page.evaluate(MEMBERS)} - PLAIN
    assert {"submit", "action", "elements", "reset", "reportValidity"} <= members
    named = {
        (path.name, name)
        for path in (SITE / "templates").rglob("*.html")
        for name in controls_of(path.read_text(encoding="utf-8"))
    } | {(form.__qualname__, name) for form in forms_of_the_site() for name in form.base_fields}
    assert len(named) > 60
    assert {one for one in named if one[1] in members or one[1].removeprefix("id_") in members} == (
        set()
    )


def controls_of(template: str) -> set[str]:
    """Names and ids of the controls that a template writes itself."""
    tags = re.findall(r"<(?:input|button|select|textarea|fieldset|output|object)\b[^>]*>", template)
    return {name for tag in tags for name in re.findall(r'\b(?:id|name)="([^"{]+)"', tag)}


def forms_of_the_site() -> set[type[forms.BaseForm]]:
    """Every form class of ours; all of them are loaded with the URLs."""
    found: set[type[forms.BaseForm]] = set()
    waiting: list[type] = [forms.BaseForm]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.startswith("studyapp.") and hasattr(kind, "base_fields"):
            found.add(kind)
    return found


def test_the_way_back_goes_by_itself_unless_someone_stays(page: Page) -> None:
    study = make_study(codes={"complete": "DONE1234", "no_consent": "NO123456"})
    configuration.configure(study=study, service="prolific")
    page.clock.install()
    page.goto(f"/s/{study.slug}/?PROLIFIC_PID={'a' * 24}&SESSION_ID=s1")
    page.get_by_role("button", name="I do not want to take part").click()
    page.get_by_role("button", name="Stay on this page").click()
    page.clock.run_for(60_000)
    expect(page.get_by_role("link", name="Return to Prolific")).to_be_focused()
    page.reload()
    line = page.locator("[data-leave]")
    expect(line).to_contain_text("taken back to Prolific in 15 seconds")
    address = "https://app.prolific.com/submissions/complete?cc=NO123456"
    expect(line).to_have_attribute("data-leave", address)
    line.evaluate("one => { one.dataset.leave = '/healthz'; }")  # A test leaves no machine.
    page.clock.run_for(16_000)
    page.wait_for_url("**/healthz")
