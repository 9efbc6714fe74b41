"""The participant's pages in a real Chromium: by mouse, by keyboard, through lost connections."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from studyapp.models import Event, Participation, Response, Study
from tests.studyapp.factories import make_features, make_pair_study, make_run, make_study

WATCH_SHIFTS = """
window.shift = 0;
const add = (list) => list.getEntries().forEach((entry) => { window.shift += entry.value; });
new PerformanceObserver(add).observe({type: 'layout-shift', buffered: true});
"""
LOADED = """
() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
  .map((entry) => [entry.name, entry.decodedBodySize])
"""
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def study(db: None) -> Study:
    return study_of(seconds=0.6)


def study_of(*, seconds: float) -> Study:
    """A study of short sounds: two trials of three features."""
    run = make_run(seconds=seconds, clips=6)
    make_features(run, count=3, exemplars=6)
    return make_study(run=run, features=3, trials_per_participation=2, ratings_per_item=9)


def check_accessibility(page: Page) -> None:
    """No violation that axe finds."""
    found = Axe().run(page).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


def to_first_trial(page: Page, study: Study) -> None:
    page.goto(f"/s/{study.slug}/")
    page.get_by_role("button", name="I agree to take part").click()
    page.get_by_role("button", name="Start").click()
    expect_trial(page, 1)


def expect_trial(page: Page, number: int) -> None:
    """Wait until the trial's script has run: keys pressed earlier do nothing."""
    expect(page.get_by_text(f"Trial {number} of 2")).to_be_visible()
    expect(page.locator(".outline").last).to_have_attribute("d", re.compile("M"))


def listen(page: Page) -> None:
    """Play all sounds not heard yet to the end, one after the other."""
    for number in (1, 2, 3):
        player = page.locator(f".player[data-clip='{number}']")
        if "heard" not in (player.get_attribute("class") or ""):
            page.get_by_role("button", name=f"Play sound {number}").click()
        expect(player).to_have_class(re.compile("heard"))


def choose(page: Page, *, choice: int = 2) -> None:
    page.locator(f"input[name=choice][value='{choice}']").check()
    page.get_by_label("Fairly confident").check()


def test_a_whole_study_by_mouse(page: Page, study: Study) -> None:
    page.goto(f"/s/{study.slug}/?PROLIFIC_PID=p&STUDY_ID=s&SESSION_ID=x")
    assert "PROLIFIC" not in page.url
    check_accessibility(page)
    page.get_by_role("button", name="I agree to take part").click()
    check_accessibility(page)
    page.get_by_role("button", name="Start").click()
    for number in (1, 2):
        expect_trial(page, number)
        check_accessibility(page)
        listen(page)
        choose(page)
        page.get_by_label("Would you call it something else").fill("a gong")
        check_accessibility(page)
        page.get_by_role("button", name=re.compile("Save and")).click()
    expect(page.get_by_role("heading", name="Thank you!")).to_be_visible()
    check_accessibility(page)
    participation = Participation.objects.get()
    expect(page.locator(".code")).to_have_text(participation.completion_code)
    answers = Response.objects.values_list("choice", "confidence", "free_text")
    assert list(answers) == [(2, 4, "a gong")] * 2
    kinds = set(Event.objects.values_list("type", flat=True))
    assert {"shown", "play", "heard", "ended", "first_interaction"} <= kinds
    for trial in participation.trials.all():
        for clip in (1, 2, 3):
            heard = sum(
                trial.events.filter(type="heard", clip=clip).values_list("value", flat=True)
            )
            assert 500 <= heard <= 700


def test_a_whole_study_by_keyboard(page: Page, study: Study) -> None:
    page.goto(f"/s/{study.slug}/")
    press_on(page, "I agree to take part")
    press_on(page, "Start")
    for number in (1, 2):
        expect_trial(page, number)
        for clip in (1, 2, 3):
            page.keyboard.press("Space")
            expect(page.locator(f".player[data-clip='{clip}']")).to_have_class(re.compile("heard"))
        page.keyboard.press("4")
        expect(page.locator("input[name=choice][value='4']")).to_be_checked()
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        expect(page.get_by_label("Completely confident")).to_be_checked()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Tab")
        page.keyboard.type("12 3 gongs")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Thank you!")).to_be_visible()
    answers = Response.objects.values_list("choice", "confidence", "free_text")
    assert list(answers) == [(3, 4, "12 3 gongs")] * 2


def test_pairs_by_keyboard_on_a_phone(page: Page) -> None:
    """Two players and two sounds to choose from, in reach and accessible; 0 chooses neither."""
    study = make_pair_study(features=2, trials=2, seconds=0.6, may_choose_none=True)
    page.set_viewport_size({"width": 360, "height": 740})
    to_first_trial(page, study)
    for number, key in ((1, "2"), (2, "0")):
        expect_trial(page, number)
        check_accessibility(page)
        for clip in (1, 2):
            page.keyboard.press("Space")
            expect(page.locator(f".player[data-clip='{clip}']")).to_have_class(re.compile("heard"))
        page.keyboard.press(key)
        expect(page.locator(f"input[name=choice][value='{key}']")).to_be_checked()
        page.get_by_label("Fairly confident").check()
        check_accessibility(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.get_by_role("button", name=re.compile("Save and")).click()
    expect(page.get_by_role("heading", name="Thank you!")).to_be_visible()
    answers = Response.objects.order_by("pk").values_list("answer", "choice")
    assert list(answers) == [("chosen", 2), ("no_difference", None)]


def press_on(page: Page, name: str) -> None:
    """Tab to the button and press it; its focus must be visible."""
    button = page.get_by_role("button", name=name)
    for _ in range(10):
        page.keyboard.press("Tab")
        if button.evaluate("node => node === document.activeElement"):
            break
    assert button.evaluate("node => getComputedStyle(node).outlineStyle") == "solid"
    page.keyboard.press("Enter")


def test_answering_too_early_says_so_and_sends_nothing(page: Page, study: Study) -> None:
    to_first_trial(page, study)
    choose(page)
    page.get_by_role("button", name="Save and continue").click()
    expect(page.locator("#saving")).to_have_text(
        "Please listen to all three sounds to the end first."
    )
    expect(page.get_by_role("button", name="Play sound 1")).to_be_focused()
    assert not Response.objects.exists()


def test_a_reload_keeps_what_was_heard_and_what_was_typed(page: Page, study: Study) -> None:
    to_first_trial(page, study)
    page.get_by_role("button", name="Play sound 2").click()
    expect(page.locator(".player[data-clip='2']")).to_have_class(re.compile("heard"))
    choose(page, choice=5)
    page.get_by_label("Would you call it something else").fill("half a wo")
    page.reload()
    expect(page.locator(".player[data-clip='2']")).to_have_class(re.compile("heard"))
    expect(page.locator(".player[data-clip='1']")).not_to_have_class(re.compile("heard"))
    expect(page.locator("input[name=choice][value='5']")).to_be_checked()
    expect(page.get_by_label("Would you call it something else")).to_have_value("half a wo")


def expect_stored_end(page: Page, *, clip: int) -> None:
    """Wait until the server knows that the clip was played to the end."""
    for _ in range(100):
        if Event.objects.filter(type="ended", clip=clip).exists():
            return
        page.wait_for_timeout(50)
    raise AssertionError("the end was not stored")


def test_a_sound_whose_middle_was_skipped_is_not_heard(page: Page) -> None:
    study = study_of(seconds=1.5)
    to_first_trial(page, study)
    expect(page.locator(".player[data-clip='1'] audio")).to_have_js_property("readyState", 4)
    page.locator(".player[data-clip='1'] input").evaluate(
        "node => { node.value = 1.4; node.dispatchEvent(new Event('input')); }"
    )
    page.get_by_role("button", name="Play sound 1").click()
    expect(page.locator(".player[data-clip='1'] .player-state")).to_have_text("Part skipped")
    page.get_by_role("button", name="Play sound 1").click()
    expect(page.locator(".player[data-clip='1']")).to_have_class(re.compile("heard"))
    page.reload()  # which sends what is left
    expect_stored_end(page, clip=1)
    heard = Event.objects.filter(type="heard", clip=1).values_list("value", flat=True)
    assert 1800 <= sum(heard) <= 2100


def test_one_sound_at_a_time(page: Page, study: Study) -> None:
    to_first_trial(page, study)
    page.get_by_role("button", name="Play sound 1").click()
    page.get_by_role("button", name="Play sound 2").click()
    playing = page.evaluate(
        "() => [...document.querySelectorAll('audio')].filter((a) => !a.paused).length"
    )
    assert playing <= 1
    expect(page.locator(".player[data-clip='2']")).to_have_class(re.compile("heard"))
    expect(page.locator(".player[data-clip='1']")).not_to_have_class(re.compile("heard"))


def test_a_double_click_saves_once(page: Page, study: Study) -> None:
    to_first_trial(page, study)
    listen(page)
    choose(page)
    page.get_by_role("button", name="Save and continue").dblclick()
    expect(page.get_by_text("Trial 2 of 2")).to_be_visible()
    assert Response.objects.count() == 1


def test_the_back_button_leads_on(page: Page, study: Study) -> None:
    to_first_trial(page, study)
    listen(page)
    choose(page)
    page.get_by_role("button", name="Save and continue").click()
    expect(page.get_by_text("Trial 2 of 2")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("Trial 2 of 2")).to_be_visible()


def test_two_tabs_count_one_answer(page: Page, study: Study) -> None:
    to_first_trial(page, study)
    other = page.context.new_page()
    other.goto(f"/s/{study.slug}/")
    for tab in (page, other):
        listen(tab)
    choose(page, choice=1)
    page.get_by_role("button", name="Save and continue").click()
    expect(page.get_by_text("Trial 2 of 2")).to_be_visible()
    # The other tab learns of it through the storage that both share.
    expect(other.get_by_text("Trial 2 of 2")).to_be_visible()
    assert [one.choice for one in Response.objects.all()] == [1]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_connection_is_said_and_mended(page: Page, study: Study, when: str) -> None:
    """Requests fail before the server gets them, or after it has committed."""
    to_first_trial(page, study)
    failures = 3

    def cut(route: Route) -> None:
        nonlocal failures
        if route.request.method != "POST" or failures == 0:
            route.continue_()
            return
        failures -= 1
        if when == "after":
            route.fetch()
        route.abort()

    listen(page)
    choose(page, choice=3)
    page.route("**/trial/", cut)
    page.get_by_role("button", name="Save and continue").click()
    expect(page.locator("#saving")).to_contain_text("Not saved yet, trying again")
    expect(page.get_by_text("Trial 2 of 2")).to_be_visible(timeout=15_000)
    assert [one.choice for one in Response.objects.all()] == [3]


def test_a_minute_offline_costs_nothing(page: Page, study: Study) -> None:
    """The page's clock is advanced by a minute to pass its waits; the network is really off."""
    page.clock.install()
    to_first_trial(page, study)
    listen(page)
    choose(page, choice=3)
    tries: list[str] = []
    page.on("requestfailed", lambda sent: tries.append(sent.url))
    page.context.set_offline(True)
    page.get_by_role("button", name="Save and continue").click()
    for _ in range(60):
        page.clock.run_for(1000)
        page.wait_for_timeout(10)
    expect(page.locator("#saving")).to_contain_text("Not saved yet, trying again")
    # Waits of 0.5, 1, 2, 4, 8, 15 and 15 s: it kept trying, less and less often.
    assert 4 <= sum(url.endswith("/trial/") for url in tries) <= 12
    assert not Response.objects.exists()
    page.context.set_offline(False)
    expect(page.get_by_text("Trial 2 of 2")).to_be_visible()
    assert [one.choice for one in Response.objects.all()] == [3]


def test_an_answer_being_sent_survives_closing_the_page(page: Page, study: Study) -> None:
    to_first_trial(page, study)
    listen(page)
    choose(page, choice=3)
    page.route("**/trial/", lambda route: route.abort())
    page.get_by_role("button", name="Save and continue").click()
    expect(page.locator("#saving")).to_contain_text("Not saved yet")
    page.close(run_before_unload=False)
    again = page.context.new_page()
    again.goto(f"/s/{study.slug}/")
    expect(again.get_by_text("Trial 2 of 2")).to_be_visible()
    assert [one.choice for one in Response.objects.all()] == [3]


def test_what_was_heard_goes_with_the_answer(page: Page, study: Study) -> None:
    """Nothing is sent before it, nor because the page is then left, and nothing is kept."""
    to_first_trial(page, study)
    alone: list[str] = []
    sent_alone = re.compile("/events$")
    page.on("request", lambda one: alone.append(one.url) if sent_alone.search(one.url) else None)
    listen(page)
    choose(page)
    page.get_by_role("button", name="Save and continue").click()
    expect(page.get_by_text("Trial 2 of 2")).to_be_visible()
    assert not alone
    assert Event.objects.filter(type="ended").count() == 3
    assert '"ended"' not in page.evaluate("Object.values(localStorage).join()")


def test_events_wait_for_the_connection(page: Page, study: Study) -> None:
    to_first_trial(page, study)
    page.route("**/events", lambda route: route.abort())
    listen(page)
    page.reload()
    page.unroute("**/events")
    page.reload()
    for clip in (1, 2, 3):
        expect_stored_end(page, clip=clip)


def test_first_paint_is_light_and_nothing_shifts(page: Page, study: Study) -> None:
    """Under 60 kB without sound, uncompressed; no layout shift while the sounds load."""
    to_first_trial(page, study)
    page.add_init_script(WATCH_SHIFTS)
    page.reload()
    page.wait_for_load_state("networkidle")
    loaded = dict(page.evaluate(LOADED))
    assert {"earwitness.css", "trial.js"} <= {url.rsplit("/", 1)[-1] for url in loaded}
    assert 20_000 < sum(size for url, size in loaded.items() if "/audio/" not in url) < 60_000
    assert page.evaluate("window.shift") == 0


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_targets_are_large_and_nothing_overflows(page: Page, study: Study, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    to_first_trial(page, study)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    small = page.evaluate(
        "() => [...document.querySelectorAll('button, .option, textarea, .wave')].filter("
        "(node) => { if (!node.checkVisibility()) return false;"
        " const box = node.getBoundingClientRect();"
        " return box.height < 44 || box.width < 44; }).map((node) => node.outerHTML)"
    )
    assert small == []
