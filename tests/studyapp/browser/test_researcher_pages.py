"""Every researchers' page in Chromium: checked by axe, in two widths, in light and dark mode.

`PAGES` has a row for each; every other URL name must be in `NO_PAGES` or `ELSEWHERE`, so that this
test fails until a new page is covered. The pictures are saved in `test-output/workspace/` for
people to look at.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import get_resolver, reverse
from django.utils import timezone
from playwright.sync_api import Page

from pipeline.store.run_directory import RunDirectory
from pipeline.viewing.steering import evaluated
from studyapp.accounts.services import accounts, projects, tokens
from studyapp.core.storage import write_atomically
from studyapp.features import services as feature_views
from studyapp.models import (
    Feature,
    FeatureList,
    FeatureSearch,
    Job,
    Project,
    Role,
    Run,
    StageRecord,
    Study,
)
from studyapp.results import services as results
from studyapp.runs.services import configs, feature_columns, lifecycle
from studyapp.runs.services.results import findings
from tests.studyapp import factories, passages, run_findings, run_steering
from tests.studyapp.features.test_views import _facts

pytestmark = pytest.mark.django_db(transaction=True)

PICTURES = Path(settings.BASE_DIR) / "test-output" / "workspace"
WIDTHS = (1440, 768)
PHONE = (1440, 390)
SCHEMES = ("light", "dark")
PASSWORD = "a long one 12"
MOVING = '[subject]\nmodel = "nano"\nhookpoints = ["decoder.layers.0.resid_post"]\n'


@dataclass
class World:
    """What the pages show."""

    run: Run
    moving: Run
    feature: Feature
    study: Study
    closed: Study
    project: Project
    secret: str


Arguments = Callable[[World], list[Any]]
Visit = tuple[str, Arguments, str]
"""Name of the URL, its arguments, its query with `w` for the world."""


def nothing(_: World) -> list[Any]:
    return []


def of_feature(world: World) -> list[Any]:
    return [world.run.pk, world.feature.sae, world.feature.index]


# A new researchers' page needs a row here.
def search_of(kind: str) -> Callable[[Any], list[Any]]:
    """The page of the run's search of that kind."""
    return lambda w: [w.run.pk, w.run.searches.get(kind=kind).pk]


PAGES: dict[str, Visit] = {
    "home": ("home", nothing, ""),
    "new-run": ("new-run", nothing, ""),
    "run": ("run", lambda w: [w.run.pk], ""),
    "run-moving": ("run", lambda w: [w.moving.pk], ""),
    "compare-runs": ("compare-runs", nothing, "?run={w.run.pk}&run={w.moving.pk}"),
    "queues": ("queues", nothing, ""),
    "features": ("features", lambda w: [w.run.pk], ""),
    "features-none": ("features", lambda w: [w.run.pk], "?q=zzz"),
    "feature": ("feature", of_feature, ""),
    "feature-list": ("feature-list", lambda w: [w.run.pk, w.run.lists.get().pk], ""),
    "feature-search": ("feature-search", search_of("words"), ""),
    "feature-search-sound": ("feature-search", search_of("sound"), ""),
    "study-items": ("study-items", lambda w: [w.closed.slug, 1], ""),
    "study": ("study", lambda w: [w.study.slug, 1], ""),
    "recruitment": ("recruitment", lambda w: [w.study.slug, 1], ""),
    "operation": ("operation", lambda w: [w.study.slug, 1], ""),
    "playback": ("playback", lambda w: [w.study.slug, 1, w.study.participations.first()], ""),
    "new-items": ("new-items", nothing, ""),
    "problems": ("problems", lambda w: [w.study.slug, 1], ""),
    "run-paper": ("run-paper", lambda w: [w.run.pk], ""),
    "run-steering": ("run-steering", lambda w: [w.run.pk], ""),
    "joined-paper": ("joined-paper", lambda w: [w.project.pk], ""),
    "results": ("results", lambda w: [w.study.slug, 1], ""),
    "results-closed": ("results", lambda w: [w.closed.slug, 1], ""),
    "account": ("account", nothing, ""),
    "project": ("project", lambda w: [w.project.pk], ""),
    "notices": ("notices", lambda w: [w.project.pk], ""),
    "invitation": ("invitation", lambda w: [w.secret], ""),
    "look": ("look", nothing, ""),
}
ELSEWHERE = {
    "login", "account_login", "mfa_authenticate", "account_reauthenticate", "mfa_reauthenticate",
    "mfa_index", "mfa_activate_totp", "mfa_deactivate_totp", "mfa_view_recovery_codes",
    "mfa_generate_recovery_codes", "change-password", "change-email", "password-forgotten",
    "password-sent", "password-link",
}  # fmt: skip
"""Visited by the tests below, on the way that leads to them."""
NO_PAGES = {
    # For machines, files, and parts of pages.
    "health", "ready", "metrics", "prolific-hook", "api-studies", "api-study", "api-table",
    "responses-csv", "export-zip", "clip-audio", "track-audio", "steered-audio", "picture",
    "report-document", "report-file", "feature-material", "check-config", "fill-config",
    "run-paper-document", "run-paper-file", "joined-paper-document", "joined-paper-file",
    "items-template", "recruitment-prolific",
    # Actions, which redirect to a page.
    "delete-run", "delete-study", "measure-run", "stop-steering",
    "logout", "import-run", "stop-run", "queue-run", "redo-stage", "make-token", "revoke-token",
    "make-project", "invite", "change-member", "withdraw-invitation", "feature-redraw",
    "search-words", "search-sound", "add-to-list", "change-list", "study-of-list", "list-text",
    "study-sound",
    "freeze-study", "open-study", "pause-study", "close-study", "recruitment-settings",
    "recruitment-ask", "recruitment-action", "recruitment-people", "withdraw-participation",
    "end-abandoned", "switch-condition", "add-places", "time-zone", "change-notices",
}  # fmt: skip
PARTICIPANTS = {
    "start", "next", "consent", "instructions", "device", "volume", "headphones", "hearing",
    "practice", "trial", "questionnaire", "thanks", "ended", "withdraw", "language", "sound",
    "events", "audio", "problem", "stay", "mturk",
}  # fmt: skip
"""In `test_pages.py`."""


STUDY_MAKING = {
    "new-study", "edit-study", "plan-step", "plan-review", "plan-power", "plan-discard",
    "preview-study", "participations", "participation", "study-flags", "unblind-study",
    "entry-links", "revoke-links",
}  # fmt: skip
"""In `test_workspace.py`."""


def make_searches(run: Run, features: list[str]) -> None:
    """An answered search by words, and one by a sound."""
    near = [
        {"feature": one, "label": "steady beat", "method": "descriptors", "label_cosine": 0.9,
         "sound_cosine": 0.2}
        for one in features
    ]  # fmt: skip
    heard = [
        {"feature": one, "max_activation": 3.0, "relative": 1.27, "peak_seconds": 2.85,
         "share": 0.04, "spans": [[at / 5, at / 5 + 0.1] for at in range(12)]}
        for one in features
    ]  # fmt: skip
    answers = {
        "words": {"label": near, "sound": near},
        "sound": {"features": heard, "firing": 41, "seconds": 8.0},
    }
    for kind, found in answers.items():
        FeatureSearch.objects.create(
            run=run, kind=kind, text="a steady beat", found=found, asked_at=timezone.now()
        )


@pytest.fixture(autouse=True)
def _fast_passwords(settings: Any) -> None:
    """A fast password hash."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def ada() -> User:
    return User.objects.create_superuser("ada", password=PASSWORD)


@pytest.fixture
def world(ada: User) -> World:
    """A finished run with a viewed feature, a running run, an open and a closed study."""
    run = factories.make_run(name=f"Demo {secrets.token_hex(2)}", clips=12, seconds=0.5)
    factories.make_features(run, count=8, exemplars=6)
    feature_columns.fill(run)
    stages(run)
    members = [feature.identifier for feature in run.features.all()[:3]]
    FeatureList.objects.create(run=run, name="The best", members=members, notes={members[0]: "a"})
    make_searches(run, members)
    study = factories.make_study(features=4)
    other = Client()
    passages.finish(other, study, passages.reach_trials(other, study))
    passages.reach_trials(Client(), study)
    moving = lifecycle.create_run(
        name=f"Moving {secrets.token_hex(2)}",
        config=configs.config_from_toml(text=MOVING),
        created_by=ada,
    )
    lifecycle.queue_run(run=moving)
    moving.stages.filter(stage="corpus").update(state="done", done=960, total=960, unit="track")
    moving.stages.filter(stage="activations").update(
        state="running", done=411, total=960, unit="track", note="shard 3 of 7",
        lines=[["2026-11-27T10:00:00", "reading"], ["2026-11-27T10:00:09", "shard 3 of 7"]],
    )  # fmt: skip
    Run.objects.filter(pk=moving.pk).update(state="running")
    Job.objects.create(kind="report", target=1, queue="cpu", state="failed", error="no answers")
    closed = factories.make_study(state=Study.State.CLOSED)
    folder = results.folder_of(closed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / results.PAGE).write_text("<!doctype html><title>Report</title><h1>Report</h1>")
    project = projects.make(name=f"Hearing {secrets.token_hex(2)}", owner=ada)
    _, secret = projects.invite(project=project, role=Role.EDITOR, note="Bo", by=ada)
    tokens.make(user=ada, name="notebook")
    return World(run, moving, looked_at(run), study, closed, project, secret)


def stages(run: Run) -> None:
    """The stages of a finished run, with their summaries."""
    said = {"corpus": {"tracks": 960, "set_aside": {"silent": 2}}, "sae": {"loss": 0.21}}
    names = ("corpus", "activations", "sae", "features", "exemplars", "labels", "scores")
    for order, name in enumerate(names):
        StageRecord.objects.create(
            run=run, stage=name, order=order, state="done", done=960, total=960, unit="track",
            seconds=12.5, summary=said.get(name, {}), lines=[["2026-11-27T10:00:00", "began"]],
        )  # fmt: skip
    with TemporaryDirectory() as folder:
        files = run_findings.make(Path(folder))
        run_findings.measure(files, 0.913, run_findings.DENSITIES)
        run_steering.evaluate(files, next(iter(run_findings.SAES)), features=60)
        for name in findings.STAGES:
            findings.store(run=run, stage=name, files=files)


def looked_at(run: Run) -> Feature:
    """A feature with its view, pictures and steering."""
    feature: Feature = run.features.order_by("pk")[1]
    steering = [
        {"prompt": "Simple melody", "seed": 3, "seconds": 5.0, "plain_clip": "plain",
         "clip": "up", "alpha": 2.0, "changed_share": 0.75},
    ]  # fmt: skip
    for name in ("plain", "up"):
        path = feature_views.steered_sound(run, feature.sae, name)
        write_atomically(path, b"fLaC")
    (path.parents[2] / f"{feature.sae}.parquet").write_bytes(b"")
    with TemporaryDirectory() as folder:
        files = RunDirectory(Path(folder))
        files.begin({"key": "k"})
        run_steering.evaluate(files, feature.sae, features=8)
        evaluation = evaluated(files, feature.sae, feature.identifier)
    facts = _facts() | {
        "steering": steering,
        "evaluation": evaluation,
        "steering_made": feature_views.steering_made(run, feature.sae),
    }
    feature_views.store(feature=feature, facts=facts, notes=[])
    return feature


def enter(page: Page, user: User, url: str) -> None:
    """Log the browser in, without the login page."""
    client = Client()
    client.force_login(user)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value,
                               "url": url}])  # fmt: skip


def look(page: Page, name: str, wrong: list[str], widths: tuple[int, ...] = WIDTHS) -> None:
    """Take pictures in every width and colour scheme; check with axe; nothing may be too wide."""
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        for width in widths:
            page.set_viewport_size({"width": width, "height": 900})
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                wrong.append(f"{name} is wider than {width}")
            page.screenshot(path=PICTURES / f"{name}-{width}-{scheme}.png", full_page=True)
        for found in Axe().run(page).response["violations"]:
            nodes = [node["html"][:200] for node in found["nodes"]]
            wrong.append(f"{name}, {scheme}: {found['id']}: {nodes}")


def test_every_address_is_a_page_here_or_said_to_be_none() -> None:
    names = {str(key) for key in get_resolver().reverse_dict if isinstance(key, str)}
    visited = {name for name, _, _ in PAGES.values()}
    known = visited | ELSEWHERE | NO_PAGES | PARTICIPANTS | STUDY_MAKING
    assert names - known == set(), "a row of PAGES each, so that it is looked at"
    assert visited | ELSEWHERE <= names


def test_every_page_is_accessible_and_pictured(
    page: Page, world: World, ada: User, live_server: Any
) -> None:
    wrong: list[str] = []
    enter(page, ada, live_server.url)
    for label, (name, arguments, query) in PAGES.items():
        answer = page.goto(reverse(name, args=arguments(world)) + query.format(w=world))
        assert answer is not None
        assert answer.status == 200, label
        look(page, label, wrong)
    assert wrong == []


def test_the_way_in_and_what_protects_it(page: Page, ada: User) -> None:
    wrong: list[str] = []
    page.goto(reverse("login"))
    look(page, "login", wrong)
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("alert").wait_for()
    look(page, "login-refused", wrong)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Account").click()
    page.get_by_role("link", name="Set up").click()
    page.get_by_role("heading", name="Confirm your password").wait_for()
    look(page, "account_reauthenticate", wrong)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("img", name="authenticator app").wait_for()
    look(page, "mfa_activate_totp", wrong)
    page.get_by_label("Enter the code").fill("000000")
    page.get_by_role("button", name="Turn on").click()
    page.get_by_role("alert").wait_for()
    TOTP.activate(ada, generate_totp_secret())
    RecoveryCodes.activate(ada)
    for name in ("mfa_view_recovery_codes", "mfa_generate_recovery_codes", "mfa_deactivate_totp"):
        page.goto(reverse(name))
        look(page, name, wrong)
    page.goto(reverse("mfa_reauthenticate"))
    look(page, "mfa_reauthenticate", wrong)
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Enter your code").wait_for()
    look(page, "mfa_authenticate", wrong)
    for _ in range(5):
        page.get_by_label("Code").fill("000000")
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("alert").wait_for()
    page.get_by_role("heading", name="Temporarily locked").wait_for()
    look(page, "locked", wrong)
    assert wrong == []


def test_a_password_is_changed_and_set_again_by_a_link(
    page: Page, ada: User, live_server: Any, settings: Any
) -> None:
    settings.EMAIL_URL = "smtp://mail.example.org"
    wrong: list[str] = []
    enter(page, ada, live_server.url)
    page.goto(reverse("account"))
    page.get_by_role("link", name="Change password").click()
    for label, text in (("Current password", "wrong"), ("New password", "short")):
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_role("button", name="Change password").click()
    page.get_by_role("alert").first.wait_for()
    look(page, "change-password", wrong, PHONE)
    page.goto(reverse("change-email"))
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("E-mail address").fill("ada@example.org")
    look(page, "change-email", wrong, PHONE)
    page.get_by_role("button", name="Save").click()
    page.get_by_text("sent to ada@example.org").wait_for()
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("link", name="Forgot your password?").click()
    look(page, "password-forgotten", wrong, PHONE)
    page.get_by_label("E-mail address").fill("ada@example.org")
    page.get_by_role("button", name="Send the link").click()
    page.get_by_role("heading", name="Check your e-mail").wait_for()
    look(page, "password-sent", wrong, PHONE)
    ada.refresh_from_db()
    link = accounts.password_path(ada)
    page.goto(link)
    look(page, "password-link", wrong, PHONE)
    page.get_by_label("New password", exact=True).fill("another long one")
    page.get_by_label("Confirm new password").fill("another long one")
    page.get_by_role("button", name="Set password").click()
    page.get_by_text("Your new password has been set").wait_for()
    look(page, "login-after-reset", wrong, PHONE)
    page.goto(link)
    page.get_by_role("heading", name="This link cannot be used").wait_for()
    look(page, "password-link-used", wrong, PHONE)
    settings.EMAIL_URL = ""
    page.goto(reverse("password-forgotten"))
    page.get_by_text("This site does not send e-mail").wait_for()
    look(page, "password-forgotten-no-mail", wrong, PHONE)
    assert wrong == []
