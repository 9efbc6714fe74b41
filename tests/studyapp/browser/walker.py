"""A person in a real browser who completes every step, with only the mouse or only the keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, Route, expect

from studyapp.models import Participation, Study

MAX_PAGES = 40
DEVICE = re.compile("/device/$")


def walk(
    page: Page, study: Study, *, by: str = "mouse", on_page: Callable[[str], None] | None = None
) -> Participation:
    """Go from the link to the end; `on_page` is called with the name of each loaded page."""
    stay_on_device(page)
    page.goto(f"/s/{study.slug}/")
    hand = Mouse(page, study) if by == "mouse" else Keyboard(page, study)
    for _ in range(MAX_PAGES):
        name = name_of(page)
        if on_page:
            on_page(name)
        if name == "thanks":
            return study.participations.latest("pk")
        hand.pass_page(name)
    raise AssertionError(f"no end after {MAX_PAGES} pages, at {name}")


def stay_on_device(page: Page) -> None:
    """Keep the device check's page, which continues by itself, until `leave_device`."""

    def answer(route: Route) -> None:
        if route.request.method == "POST":
            route.fulfill(status=204)  # the browser stays on the page
        else:
            route.continue_()

    page.route(DEVICE, answer)


def leave_device(page: Page) -> None:
    """Let the device check's page be sent from now on, once it has found that all works."""
    expect(page.locator("[data-check=sound] .good")).to_be_visible()
    page.unroute(DEVICE)


def name_of(page: Page) -> str:
    """The name of the current page; `feedback` for the feedback on a practice trial."""
    expect(page.locator("main")).to_be_visible()
    if page.locator("button[name=seen]").count():
        return "feedback"
    return page.locator("body").get_attribute("data-page") or ""


class Hand:
    """What both ways share: the right answers, and waiting for the next page."""

    def __init__(self, page: Page, study: Study) -> None:
        self.page, self.study = page, study

    def pass_page(self, name: str) -> None:
        """Do what the page asks, and wait until the next page has loaded."""
        if self.page.locator(".player").count():
            expect(self.page.locator(".outline").last).to_have_attribute("d", re.compile("M"))
        if name == "device":
            leave_device(self.page)
        with self.page.expect_navigation():
            getattr(self, name)()

    def data(self, step: str) -> dict[str, Any]:
        """The step's data, which only the server knows."""
        record = self.study.participations.latest("pk").steps_taken.get(step=step)
        return dict(record.data)

    def right_place(self) -> int:
        """The right answer to the current trial of the headphone check."""
        trials = self.data("headphones")["trials"]
        return int(next(trial["answer"] for trial in trials if trial["given"] is None))

    def heard(self, number: int) -> None:
        """Wait for the end of a sound."""
        player = self.page.locator(f".player[data-clip='{number}']")
        expect(player).to_have_class(re.compile("heard"))

    def heard_a_moment(self) -> None:
        """Wait until some of the last sound, which a check asks about, was heard."""
        # Not `wait_for_function`: from its second poll on, the page's content policy forbids it.
        for _ in range(400):
            if (
                self.page.evaluate(
                    "() => [...document.querySelectorAll('audio')].at(-1).currentTime"
                )
                > 0.1
            ):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError("nothing was heard in 20 s")


class Mouse(Hand):
    """Uses the mouse."""

    def click(self, name: str) -> None:
        """Click a button."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def check(self, name: str, value: Any) -> None:
        """Click a radio button."""
        self.page.locator(f"input[name={name}][value='{value}']").check()

    def consent(self) -> None:
        """Agree."""
        self.click("I agree to take part")

    def device(self) -> None:
        """Continue."""
        self.click("Continue")

    def volume(self) -> None:
        """Enter the right count."""
        self.play_a_moment()
        self.check("count", self.data("volume")["target"])
        self.click("Continue")

    def headphones(self) -> None:
        """Choose the right interval."""
        self.play_a_moment()
        self.check("choice", self.right_place())
        self.click("Continue")

    def hearing(self) -> None:
        """Play both sounds, give the right answers."""
        self.play_a_moment()
        for name, target in self.data("hearing")["targets"].items():
            self.check(name, target)
        self.click("Continue")

    def play_a_moment(self) -> None:
        """Play the last sound, which the check asks about, until some of it was heard."""
        self.page.locator(".player-button").last.click()
        self.heard_a_moment()

    def instructions(self) -> None:
        """Play part of the example."""
        self.click("Play sound 1")
        self.heard(1)
        self.click("Start practice")

    def trial(self) -> None:
        """Play everything and answer."""
        for number in (1, 2, 3):
            self.click(f"Play sound {number}")
            self.heard(number)
        self.check("choice", 2)
        self.check("confidence", 4)
        self.page.locator("#save").click()

    practice = trial

    def feedback(self) -> None:
        """Read the feedback and continue."""
        self.page.locator("button[name=seen]").click()

    def questionnaire(self) -> None:
        """Answer one question and skip the others."""
        self.check("age_band", "25-34")
        self.click("Save and finish")


class Keyboard(Hand):
    """Uses Tab, Space, arrows, digits and Enter; every focus must be visible."""

    def press_on(self, selector: str) -> None:
        """Tab to the button and press it."""
        self.tab_to(selector)
        style = "node => getComputedStyle(node).outlineStyle"
        assert self.page.locator(selector).first.evaluate(style) == "solid"
        self.page.keyboard.press("Enter")

    def tab_to(self, selector: str) -> None:
        """Tab until the element has the focus."""
        here = "selector => document.activeElement.matches(selector)"
        for _ in range(40):
            self.page.keyboard.press("Tab")
            if self.page.evaluate(here, selector):
                return
        raise AssertionError(f"Tab does not reach {selector}")

    def consent(self) -> None:
        """Agree."""
        self.press_on("button[value=agree]")

    def device(self) -> None:
        """Continue."""
        self.press_on("#device button")

    def volume(self) -> None:
        """Play the tones, enter the right count with a digit."""
        self.press_on(".player[data-clip='2'] button")
        self.heard_a_moment()
        self.page.keyboard.press(str(self.data("volume")["target"]))
        self.press_on("form[data-safe] button")

    def headphones(self) -> None:
        """Play the sound with the space bar, choose the right interval with a digit."""
        self.page.keyboard.press("Space")
        self.heard_a_moment()
        self.page.keyboard.press(str(self.right_place()))
        self.press_on("form[data-safe] button")

    def hearing(self) -> None:
        """Play the beats, choose the first answers."""
        self.press_on(".player[data-clip='2'] button")
        self.heard_a_moment()
        for name in ("highest", "beats"):
            self.tab_to(f"input[name={name}]")
            self.page.keyboard.press("Space")
        self.press_on("form[data-safe] button")

    def instructions(self) -> None:
        """Continue."""
        self.press_on("main form .button")

    feedback = instructions

    def trial(self) -> None:
        """Play everything with the space bar, choose with digits and arrows."""
        for number in (1, 2, 3):
            self.page.keyboard.press("Space")
            self.heard(number)
        self.page.keyboard.press("4")
        self.page.keyboard.press("ArrowUp")
        self.page.keyboard.press("Tab")
        self.page.keyboard.press("Space")
        self.page.keyboard.press("ArrowRight")
        self.tab_to("#free_text")
        self.page.keyboard.type("12 3 gongs")
        self.press_on("#save")

    practice = trial

    def questionnaire(self) -> None:
        """Choose the first age band and skip the other questions."""
        self.tab_to("input[name=age_band]")
        self.page.keyboard.press("Space")
        self.press_on("form[data-safe] button")
