"""A study in a researcher's browser: from the login to an open one, and while it runs.

The pictures go to `test-output/workspace/`, to be looked at.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Locator, Page, expect

from studyapp.jobs.tasks import work
from studyapp.models import Job, Participation, Study
from studyapp.recruitment.services import configuration
from studyapp.wizard.services import answers, drafts
from tests.studyapp import passages
from tests.studyapp.factories import make_features, make_run, make_study

pytestmark = pytest.mark.django_db(transaction=True)
PICTURES = Path(settings.BASE_DIR) / "test-output" / "workspace"
MOST_CLICKS = 14


class Hand:
    """Clicks, and counts them."""

    def __init__(self) -> None:
        self.clicks = 0

    def click(self, target: Locator) -> None:
        """Count one click."""
        target.click()
        self.clicks += 1


def look(page: Page, name: str) -> None:
    """In light and dark: axe finds no violation, nothing is too wide, pictures are taken."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = Axe().run(page).response["violations"]
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
        for width in (1440, 768):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
                name,
                width,
            )
            page.screenshot(path=PICTURES / f"{name}-{scheme}-{width}.png", full_page=True)
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.set_viewport_size({"width": 1280, "height": 900})


def work_off(kind: str) -> None:
    """Do the newest job of a kind, as a worker would."""
    work(Job.objects.filter(kind=kind).latest("pk").pk)


def log_in(page: Page, hand: Hand) -> None:
    """Log in as an administrator."""
    User.objects.create_superuser("ada", password="a-long-password")
    page.goto("/")
    page.fill("#id_username", "ada")
    page.fill("#id_password", "a-long-password")
    hand.click(page.get_by_role("button", name="Log in"))


def test_from_the_login_to_an_open_study_in_few_clicks(page: Page) -> None:
    run = make_run(seconds=0.3, clips=4)
    make_features(run, count=4, exemplars=4)
    make_features(run, count=3, exemplars=4, sae="layer3-n64-k4")
    hand = Hand()
    log_in(page, hand)
    hand.click(page.get_by_role("link", name="New study").last)
    for number, _ in enumerate(answers.STEPS, start=1):
        page.get_by_text(f"Step {number} of 9").wait_for()
        if number == 5:
            expect(page.locator("#power")).to_contain_text("Estimating the power of")
            expect(page.locator("#power dd").first).to_have_text("6")
            work_off("power")
            expect(page.locator("#power")).to_contain_text("Monte Carlo error")
        look(page, f"plan-{number}-{answers.STEPS[number - 1]}")
        hand.click(page.locator("#draft-form > .actions button").first)
    page.get_by_role("heading", name="Review").wait_for()
    look(page, "plan-9-review")
    hand.click(page.get_by_role("button", name="Create the study"))
    page.get_by_text("Preparing sounds and items").wait_for()
    look(page, "plan-10-making")
    work_off(drafts.KIND)
    expect(page.get_by_text("Freeze", exact=True)).to_be_visible()
    look(page, "study-draft")
    hand.click(page.get_by_text("Freeze", exact=True))
    look(page, "study-freezing")
    hand.click(page.get_by_role("button", name="Freeze for good"))
    expect(page.locator(".badge.accent")).to_have_text("frozen")
    hand.click(page.get_by_role("button", name="Open", exact=True))
    expect(page.locator(".badge.good").first).to_have_text("open")
    study = Study.objects.get()
    assert (study.state, study.slug) == (Study.State.OPEN, "listening")
    assert hand.clicks <= MOST_CLICKS, hand.clicks


def test_choosing_other_runs_offers_their_saes_before_submitting(page: Page) -> None:
    for number in (1, 2):
        run = make_run(seconds=0.3, clips=4, name=f"run {number}")
        make_features(run, count=2, exemplars=4, sae=f"layer{number}-n64-k4")
    log_in(page, Hand())
    page.goto("/plans/new/")
    expect(page.get_by_label("layer2-n64-k4", exact=False)).to_be_checked()
    page.get_by_label("run 1").check()
    expect(page.get_by_label("layer1-n64-k4", exact=False)).to_be_visible()
    expect(page.get_by_label("layer2-n64-k4", exact=False)).to_be_visible()


def test_choosing_a_service_opens_what_it_needs(page: Page) -> None:
    run = make_run(seconds=0.3, clips=4)
    make_features(run, count=2, exemplars=4)
    log_in(page, Hand())
    page.goto("/plans/new/")
    page.get_by_role("button", name="Next").click()
    page.goto(page.url.replace("methods", "recruitment"))
    expect(page.get_by_label("No consent")).to_be_hidden()
    page.get_by_label("Service", exact=True).select_option("prolific")
    expect(page.get_by_label("No consent")).to_be_visible()
    expect(page.get_by_label("Where it takes people back")).to_be_hidden()
    page.get_by_label("Service", exact=True).select_option("other")
    expect(page.get_by_label("Where it takes people back")).to_be_visible()


def test_a_preview_opens_in_its_own_tab(page: Page) -> None:
    run = make_run(seconds=0.3, clips=4)
    make_features(run, count=2, exemplars=4)
    study = make_study(run=run, features=2, state=Study.State.DRAFT, trials_per_participation=2)
    log_in(page, Hand())
    page.goto(f"/studies/{study.slug}/1/")
    page.get_by_label("From").select_option("trial")
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Preview").click()
    tab = opened.value
    tab.locator(".outline[d*=M]").last.wait_for(state="attached")
    for number in (1, 2, 3):
        tab.get_by_role("button", name=f"Play sound {number}").click()
        expect(tab.locator(f".player[data-clip='{number}']")).to_contain_class("heard")
    tab.locator("input[name=choice]").nth(1).check(force=True)
    tab.locator("input[name=confidence][value='4']").check(force=True)
    tab.get_by_role("button", name="Save and continue").click()
    tab.get_by_text("Trial 2 of 2").first.wait_for()
    assert not study.participations.exists()


def test_a_running_study_is_monitored(page: Page) -> None:
    run = make_run(seconds=0.3, clips=4)
    make_features(run, count=4, exemplars=4)
    study = make_study(
        run=run, features=4, trials_per_participation=2, ratings_per_item=3, title="What is it?",
        steps=["consent", "device", "instructions", "trial"],
    )  # fmt: skip
    configuration.configure(study=study, entry="token", payment=Decimal("2.50"), currency="EUR")
    configuration.configure(study=study, payment=Decimal("2.50"), currency="EUR")
    client = Client()
    someone = passages.reach_trials(client, study)
    passages.finish(client, study, someone)
    left = passages.reach(Client(), study, "trial")
    Participation.objects.filter(pk=left.pk).update(lease_expires_at=left.created_at)
    log_in(page, Hand())
    page.goto(f"/studies/{study.slug}/1/")
    page.get_by_role("heading", name="Flags").wait_for()
    expect(page.get_by_text("2.50 EUR", exact=True)).to_be_visible()
    look(page, "study-open")
    other = Client()
    passages.finish(other, study, passages.reach_trials(other, study))
    expect(page.get_by_text("5.00 EUR")).to_be_visible()
    page.get_by_role("link", name="View all").click()
    page.get_by_role("heading", name="Participations").wait_for()
    look(page, "participations")
    page.get_by_role("link", name=someone.identifier).click()
    page.get_by_role("heading", name="Timeline").wait_for()
    expect(page.get_by_role("columnheader", name="Method")).to_have_count(0)
    look(page, "participation-blind")
    page.goto(f"/studies/{study.slug}/1/")
    page.get_by_text("Unblind", exact=True).click()
    page.get_by_label("Why?", exact=False).fill("a bug is suspected")
    look(page, "study-unblinding")
    page.get_by_role("button", name="Unblind permanently").click()
    page.get_by_text("before it was closed").wait_for()
    look(page, "study-unblinded")
    page.goto(f"/studies/{study.slug}/1/participations/{someone.identifier}/")
    expect(page.get_by_role("columnheader", name="Method")).to_be_visible()
    look(page, "participation-unblinded")
    page.goto("/")
    look(page, "home")
