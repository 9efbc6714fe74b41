"""Every participant's page: by mouse, by keyboard, checked by axe, pictured at every width.

The pictures are saved in `test-output/pages/` for people to look at.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from playwright.sync_api import Page, expect

from studyapp import exports
from studyapp.models import Event, Participation, Response, Study
from studyapp.models.steps import all_steps
from studyapp.studies import own_questions
from studyapp.studies.services import lifecycle as study_services
from tests.studyapp.browser.walker import leave_device, name_of, stay_on_device, walk
from tests.studyapp.factories import make_features, make_run, make_study

pytestmark = pytest.mark.django_db(transaction=True)

WIDTHS = (360, 768, 1440)
PICTURES = Path(settings.BASE_DIR) / "test-output" / "pages"
STEPS = {
    "consent", "device", "volume", "headphones", "hearing", "instructions", "practice", "feedback",
    "trial", "questionnaire", "thanks",
}  # fmt: skip


@pytest.fixture
def study(db: None) -> Study:
    return study_of(languages=["en", "de"], watch_machines=True)


def study_of(**options: object) -> Study:
    """Every step, with sounds of 0.5 s: two practice trials and two main trials."""
    run = make_run(seconds=0.5, clips=4)
    make_features(run, count=2, exemplars=4)
    given = {"steps": all_steps(), "headphone_check": "huggins"} | options
    return make_study(
        run=run, features=2, trials_per_participation=2, ratings_per_item=9,
        ethics_approval="IRB 77/2026", **given,
    )  # fmt: skip


def picture(page: Page, name: str) -> None:
    """Take a picture at every width; nothing may be wider than the window."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, width)
        path = PICTURES / f"{name}-{width}.png"
        page.screenshot(path=path, full_page=True)


def check_accessibility(page: Page) -> None:
    """No violation that axe finds."""
    found = Axe().run(page).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


def check_stillness(page: Page) -> None:
    """With reduced motion requested, nothing moves."""
    moving = page.evaluate(
        "() => document.getAnimations().length + [...document.querySelectorAll('*')].filter("
        "(node) => getComputedStyle(node).transitionDuration !== '0s').length"
    )
    assert moving == 0


def test_every_page_by_mouse_is_accessible_and_pictured(page: Page, study: Study) -> None:
    seen: set[str] = set()

    def look(name: str) -> None:
        if name not in seen:
            seen.add(name)
            check_accessibility(page)
            check_stillness(page)
            picture(page, name)
            page.set_viewport_size({"width": 1280, "height": 900})

    participation = walk(page, study, on_page=look)
    assert seen == STEPS
    assert participation.completion_code
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("status")).to_have_text("Copied")
    assert Response.objects.filter(trial__kind="main").count() == 2
    headphones = participation.steps_taken.get(step="headphones").data
    assert headphones["passed"] == {"huggins": True}
    check_evidence(participation)
    # This browser is driven by a program, whose mouse is at once where it presses.
    assert "no_movement" in signs_of(study)


def signs_of(study: Study) -> list[str]:
    """The signs of a program in the study's only participation."""
    file, read = exports.tables(study)["participants"]
    [row] = [file.record(one) for one in read()]
    return [one for one in str(row["machine_signs"]).split("|") if one]


def check_evidence(participation: Participation) -> None:
    """What was played on a check's page is stored with its answer: one volume, five headphones.

    On each page the walker played the last sound for a moment.
    """
    volume = participation.steps_taken.get(step="volume").data["evidence"]
    trials = participation.steps_taken.get(step="headphones").data["trials"]
    told = [*volume, *(trial["evidence"] for trial in trials)]
    assert len(told) == 6
    assert all(set(one) == {"plays", "heard_ms", "hidden_ms", "page_ms"} for one in told)
    assert all(one["plays"] == 1 and one["hidden_ms"] == 0 for one in told)
    assert all(0 < one["heard_ms"] <= one["page_ms"] for one in told)


def test_every_page_with_only_the_keyboard(page: Page, study: Study) -> None:
    participation = walk(page, study, by="keyboard")
    assert participation.completion_code
    answers = Response.objects.filter(trial__kind="main").values_list("choice", "free_text")
    assert list(answers) == [(3, "12 3 gongs")] * 2
    keys = Event.objects.filter(type="keys", trial__kind="main").values_list("value", flat=True)
    assert all(value >= len("12 3 gongs") for value in keys)
    assert not Event.objects.filter(type="presses", value__gt=0).exists()
    assert "no_movement" not in signs_of(study)


def test_a_check_takes_no_answer_before_its_sound_was_played(page: Page, study: Study) -> None:
    """On a phone: said at the sound that the question is about, and beside the button."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"/s/{study.slug}/")
    page.get_by_role("button", name="I agree to take part").click()
    expect(page.locator("[data-check=sound] .good")).to_be_visible()
    page.get_by_role("button", name="Continue").click()
    expect(page.locator(".outline").last).to_have_attribute("d", re.compile("M"))
    page.locator("input[name=count]").first.check()
    page.get_by_role("button", name="Continue").click()
    said = page.locator(".player[data-clip='2'] .player-message")
    expect(said).to_have_text("Please play the sound first.")
    expect(page.get_by_role("button", name="Play sound 2")).to_be_focused()
    expect(said).to_be_in_viewport()
    check_accessibility(page)
    page.screenshot(path=PICTURES / "volume-premature-390x844.png")
    assert study.participations.get().steps_taken.get(step="volume").data["answers"] == []
    page.get_by_role("button", name="Play sound 2").click()
    expect(said).to_have_text("")
    with page.expect_navigation():
        page.get_by_role("button", name="Continue").click()


def test_the_device_check_continues_by_itself_when_all_works(page: Page, study: Study) -> None:
    page.goto(f"/s/{study.slug}/")
    page.get_by_role("button", name="I agree to take part").click()
    expect(page.locator("#device .button")).to_be_visible()
    expect(page.locator("body")).to_have_attribute("data-page", "volume")
    report = study.participations.get().steps_taken.get(step="device").data["report"]
    assert (report["sound"], report["storage"]) == (True, True)


def test_withdrawing_is_asked_once_and_erases(page: Page, study: Study) -> None:
    page.goto(f"/s/{study.slug}/")
    page.get_by_role("button", name="I agree to take part").click()
    page.get_by_role("link", name="Withdraw from the study").click()
    assert name_of(page) == "withdraw"
    check_accessibility(page)
    check_stillness(page)
    picture(page, "withdraw")
    page.get_by_role("link", name="No, go back").click()
    assert name_of(page) == "device"
    participation = study.participations.get()
    assert participation.status == Participation.Status.ACTIVE
    page.get_by_role("link", name="Withdraw from the study").click()
    page.get_by_role("button", name="Erase my answers").press("Enter")
    expect(page.locator("body")).to_have_attribute("data-page", "withdrawn")
    check_accessibility(page)
    picture(page, "withdrawn")
    participation.refresh_from_db()
    assert participation.status == Participation.Status.WITHDRAWN
    assert not participation.steps_taken.exists()


def test_endings_are_accessible_and_pictured(page: Page, study: Study) -> None:
    page.goto(f"/s/{study.slug}/")
    page.get_by_role("button", name="I do not want to take part").click()
    assert name_of(page) == "refused"
    check_accessibility(page)
    picture(page, "refused")
    page.context.clear_cookies()
    page.goto(f"/s/{study.slug}/trial/")
    check_accessibility(page)
    picture(page, "lost")
    page.goto("/s/nothing-here/")
    check_accessibility(page)
    picture(page, "unknown")
    study_services.close(study)
    page.goto(f"/s/{study.slug}/")
    check_accessibility(page)
    picture(page, "closed")


def test_the_same_pages_in_german_and_in_the_dark(page: Page, study: Study) -> None:
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    stay_on_device(page)
    page.goto(f"/s/{study.slug}/")
    page.get_by_role("button", name="Deutsch").click()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.get_by_role("heading", name="Bevor Sie beginnen")).to_be_visible()
    check_accessibility(page)
    picture(page, "consent-german-dark")
    page.get_by_role("button", name="Ich stimme zu").click()
    expect(page.locator("[data-check=sound] .good")).to_have_text("geht")
    check_accessibility(page)
    picture(page, "device-german-dark")
    leave_device(page)
    page.get_by_role("button", name="Weiter").click()
    check_accessibility(page)
    picture(page, "volume-german-dark")


@pytest.mark.parametrize(("language", "direction"), [("ar", "rtl"), ("ja", "ltr")])
def test_every_page_in_another_script_by_keyboard(
    page: Page, language: str, direction: str
) -> None:
    """Nothing but the study's own labels is left in English; also as on a screen at 400 % zoom."""
    study = study_of(
        watch_machines=True,
        languages=[language], headphone_check="huggins", most_plays=2, hear_before_choosing=1,
        own_questions=own_questions.joined({language: "q (number 0 to 9): 数 عدد?"}),
    )  # fmt: skip
    seen: set[str] = set()

    def look(name: str) -> None:
        if name not in seen:
            seen.add(name)
            expect(page.locator("html")).to_have_attribute("dir", direction)
            check_accessibility(page)
            page.set_viewport_size({"width": 320, "height": 256})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
            picture(page, f"{name}-{language}")
            page.set_viewport_size({"width": 1280, "height": 900})

    walk(page, study, by="keyboard", on_page=look)
    assert seen == STEPS
    page.locator("[data-problem]").click()
    look("problem")
    page.locator("form[data-problem-form] button").click()
    page.locator("input[name=kind]").first.check()
    page.locator("form[data-problem-form] button").click()
    expect(page.locator("p.notice.good")).to_be_visible()


def test_the_questionnaire_survives_a_reload_and_a_lost_connection(page: Page, db: None) -> None:
    few = [step for step in all_steps() if step not in ("device", "volume", "headphones")]
    study = study_of(steps=few, headphone_check="none")
    walk_to = {"stop": False}

    def stop(name: str) -> None:
        if name == "questionnaire":
            walk_to["stop"] = True
            raise StopIteration

    with pytest.raises(StopIteration):
        walk(page, study, on_page=stop)
    page.locator("input[name=age_band][value='45-54']").check()
    page.reload()
    expect(page.locator("input[name=age_band][value='45-54']")).to_be_checked()
    page.context.set_offline(True)
    page.get_by_role("button", name="Save and finish").click()
    expect(page.locator(".saving")).to_contain_text("Not saved yet, trying again")
    page.context.set_offline(False)
    expect(page.get_by_role("heading", name="Thank you!")).to_be_visible()
    record = study.participations.get().steps_taken.get(step="questionnaire")
    assert record.data["answers"] == {"age_band": "45-54"}
