"""A passage played back in a real browser: each event is shown within 50 ms of its time."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page

from studyapp.models import Event, Participation
from studyapp.monitoring.selectors import playback
from studyapp.studies.services import blinding
from tests.studyapp import passages
from tests.studyapp.factories import make_study

pytestmark = pytest.mark.django_db(transaction=True)
WITHIN_MS = 50
HAPPENED = (
    ("shown", 210, None, None), ("play", 900, 1, 0), ("seek", 1_300, 1, 600),
    ("ended", 1_703, 1, None), ("hidden", 1_950, None, None), ("visible", 2_450, None, 500),
    ("play", 2_600, 2, 0), ("pause", 3_150, 2, 550),
)  # fmt: skip


@pytest.fixture
def someone(settings: Any) -> Participation:
    """Someone whose first trial has events at known times and an answer."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    client, study = Client(), make_study()
    someone = passages.reach_trials(client, study)
    trial = passages.current(someone)
    passages.hear(client, study, trial)
    passages.answer(client, study, trial)
    client.get(f"/s/{study.slug}/trial/")
    trial.refresh_from_db()
    trial.events.all().delete()
    for number, (kind, at, clip, value) in enumerate(HAPPENED):
        Event.objects.create(
            participation=someone, trial=trial, type=kind, at_ms=at, clip=clip, value=value,
            sequence=f"view-{number}",
        )  # fmt: skip
    trial.response.response_ms = 4_000
    trial.response.save()
    return someone


def state(page: Page) -> tuple[int, str, str, bool, int]:
    """Lines passed, the states of sounds 1 and 2, whether the page was away, what is chosen."""
    shown = page.locator("article.played:not([hidden])")
    players = shown.locator(".player-state").all_inner_texts()
    return (
        shown.locator(".happened li.past").count(), players[0], players[1],
        shown.locator(".page-hidden").is_visible(), shown.locator("input:checked").count(),
    )  # fmt: skip


def test_each_event_is_shown_within_50_ms_of_its_time(
    page: Page, someone: Participation, live_server: Any
) -> None:
    user = User.objects.create_superuser("ada")
    blinding.unblind(study=someone.study, user=user, reason="a test")
    client = Client()
    client.force_login(user)
    [value] = [one.value for name, one in client.cookies.items() if name == "sessionid"]
    page.context.add_cookies([{"name": "sessionid", "value": value, "url": live_server.url}])
    page.clock.install(time=0)
    page.goto(reverse("playback", args=[someone.study.slug, 1, someone.identifier]))
    page.clock.pause_at(3_600_000)
    times = [one.at for one in playback.played(someone)[0].moments]
    assert len(times) == len(HAPPENED) + 1

    page.get_by_role("button", name="Play").click()
    now, seen = 0, []
    for at in times:
        for until in (at - 1, at + WITHIN_MS):
            page.clock.run_for(until - now)
            now = until
            seen.append(state(page))

    assert [one[0] for one in seen] == [n for i in range(len(times)) for n in (i, i + 1)]
    late = page.locator("article.played:not([hidden]) .happened li").evaluate_all(
        "lines => lines.map((line) => line.dataset.shown - line.dataset.at)"
    )
    assert all(0 <= ms <= WITHIN_MS for ms in late), late
    playing, heard, away = seen[3], seen[7], seen[9]
    assert playing[1] == "0 / 1 s"
    assert heard[1] == "Heard"
    assert (away[3], seen[11][3]) == (True, False)
    assert (seen[13][2], seen[15][2]) == ("0 / 1 s", "Still to hear")
    assert (seen[16][4], seen[17][4]) == (0, 2)

    # At sixteen times the speed the next trial, which has no events, comes at once.
    page.get_by_label("Speed").select_option("16")
    page.clock.run_for(500)
    assert page.get_by_label("Trial", exact=True).input_value() == "1"
    assert page.get_by_role("button", name="Play").is_visible()
