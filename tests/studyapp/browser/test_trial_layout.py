"""The trial page on screens of every size: what is seen of the sounds, and what is in reach."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Locator, Page, expect

from studyapp.models import Study
from tests.studyapp.browser.test_pages import check_accessibility
from tests.studyapp.factories import make_study, make_study_of_loudnesses

pytestmark = pytest.mark.django_db(transaction=True)
PICTURES = Path(settings.BASE_DIR) / "test-output" / "pages"
PHONES = [(360, 640), (390, 844)]
SCREENS = [*PHONES, (1366, 768), (1920, 1080)]
MESSAGE = "Please listen to this sound to the end."


def to_trial(page: Page, study: Study) -> None:
    page.goto(f"/s/{study.slug}/")
    page.get_by_role("button", name="I agree to take part").click()
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".outline").last).to_have_attribute("d", re.compile("M"))


def expect_loaded(page: Page) -> None:
    for audio in page.locator("audio").all():
        expect(audio).to_have_js_property("readyState", 4)


ALONE = """
(node) => {
  for (const one of document.querySelectorAll('.player')) one.hidden = one !== node;
  node.querySelector('.player-name > span').style.visibility = 'hidden';
}
"""


def pictures(page: Page) -> list[bytes]:
    """Each player's picture at the same place on the page, without its name: "Sound 1"."""
    page.mouse.move(0, 0)
    taken = []
    for player in page.locator(".player").all():
        player.evaluate(ALONE)
        taken.append(player.screenshot())
    return taken


def at_the_same_place(page: Page) -> list[bytes]:
    """The players' pictures with every sound at 0.5 s."""
    for audio in page.locator("audio").all():
        audio.evaluate("node => { node.currentTime = 0.5 }")
    for slider in page.locator(".wave input").all():
        expect(slider).to_have_js_property("value", "0.5")
    return pictures(page)


def listen(page: Page) -> None:
    for number in (1, 2, 3):
        page.get_by_role("button", name=f"Play sound {number}").click()
        expect(page.locator(f".player[data-clip='{number}']")).to_have_class(re.compile("heard"))
    page.locator("body").evaluate("() => document.activeElement.blur()")


@pytest.mark.parametrize(("drawn", "different"), [(False, 1), (True, 3)])
def test_nobody_sees_which_sound_grows_louder(page: Page, drawn: bool, different: int) -> None:
    """The same pixels for a growing, a pulsing and a steady sound; an outline tells them apart."""
    to_trial(page, make_study_of_loudnesses(show_waveform=drawn))
    expect_loaded(page)
    assert len(set(pictures(page))) == different
    page.reload()
    expect_loaded(page)
    assert len(set(at_the_same_place(page))) == different
    page.reload()
    listen(page)
    assert len(set(pictures(page))) == different


def is_seen(page: Page, part: Locator) -> bool:
    """Whether it lies on the visible screen and nothing covers its middle."""
    return bool(part.evaluate(
        "node => { const box = node.getBoundingClientRect();"
        " const top = document.elementFromPoint((box.left + box.right) / 2,"
        " (box.top + box.bottom) / 2);"
        " return box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight"
        " && box.right <= innerWidth && top !== null"
        " && (node.contains(top) || top.contains(node)); }"
    ))  # fmt: skip


@pytest.fixture
def study(db: None) -> Study:
    return make_study(features=3, trials_per_participation=2, ratings_per_item=9)


@pytest.mark.parametrize(("width", "height"), PHONES)
def test_a_premature_save_is_explained_at_the_sounds_on_the_visible_screen(
    page: Page, study: Study, width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    to_trial(page, study)
    page.get_by_role("button", name="Play sound 2").click()
    expect(page.locator(".player[data-clip='2']")).to_have_class(re.compile("heard"))
    page.locator("input[name=choice][value='5']").check()
    page.get_by_label("Fairly confident").check()
    page.locator("#save").click()
    for number, said in ((1, MESSAGE), (2, ""), (3, MESSAGE)):
        message = page.locator(f".player[data-clip='{number}'] .player-message")
        expect(message).to_have_text(said)
        assert not said or is_seen(page, message)
    expect(page.get_by_role("button", name="Play sound 1")).to_be_focused()
    assert is_seen(page, page.get_by_role("button", name="Play sound 1"))
    assert is_seen(page, page.locator("#saving"))
    check_accessibility(page)
    page.screenshot(path=PICTURES / f"trial-premature-{width}x{height}.png")
    page.get_by_role("button", name="Play sound 1").click()
    expect(page.locator(".player[data-clip='1'] .player-message")).to_have_text("")


@pytest.mark.parametrize(("width", "height"), SCREENS)
def test_players_and_save_are_in_reach_from_every_answer(
    page: Page, study: Study, width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    to_trial(page, study)
    for answer in [*page.locator(".option").all(), page.locator("textarea")]:
        answer.scroll_into_view_if_needed()
        answer.click()
        assert is_seen(page, answer)
        for button in [*page.locator(".player-button").all(), page.locator("#save")]:
            assert is_seen(page, button)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), SCREENS)
def test_the_trial_is_pictured_on_every_screen(
    page: Page, study: Study, width: int, height: int, scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": height})
    to_trial(page, study)
    expect_loaded(page)
    check_accessibility(page)
    page.screenshot(path=PICTURES / f"trial-{scheme}-{width}x{height}.png")
    page.locator("textarea").click()
    page.screenshot(path=PICTURES / f"trial-{scheme}-{width}x{height}-below.png")
