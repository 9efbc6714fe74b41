"""Technical problems: reported from every page, without content, bounded, erased by withdrawal."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from studyapp.models import Participation, ProblemReport, Study
from studyapp.models.steps import all_steps
from studyapp.participation.services import assignment, browsers, problems, withdrawal
from studyapp.studies.services import lifecycle
from tests.studyapp import factories, passages
from tests.studyapp.factories import make_study

pytestmark = pytest.mark.django_db
PHONE = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.6478.71 Mobile Safari/537.36"
)
STATE = {
    "width": 360, "height": 740, "touch": True, "online": True, "storage": False, "page_ms": 900,
    "players": [
        {"number": 1, "ready": 0, "network": 3, "error": 4, "at_ms": 0, "heard_ms": 0,
         "paused": True, "heard": False, "failed": True, "src": "secret"},
    ],
    "free_text": "what was typed",
}  # fmt: skip


def send(client: Client, study: Study, **changes: str) -> int:
    data = {"kind": "sound", "words": "crackles", "state": json.dumps(STATE)} | changes
    page = f"/s/{study.slug}/problem/"
    return client.post(page, data, headers={"user-agent": PHONE}).status_code


def test_a_report_says_where_and_with_what_but_nothing_that_was_typed(client: Client) -> None:
    study = make_study()
    participation = passages.reach_trials(client, study)
    assert send(client, study) == 302
    stored = ProblemReport.objects.get()
    assert (stored.page, stored.trial, stored.kind) == (
        "trial", passages.current(participation), "sound",
    )  # fmt: skip
    assert stored.browser == {"browser": "Chrome", "version": 126, "system": "Android"}
    assert "src" not in stored.state["players"][0]
    assert "free_text" not in stored.state
    assert stored.state["players"][0]["error"] == 4
    page = client.get(f"/s/{study.slug}/problem/?sent=1").content.decode()
    assert "Thank you for telling us" in page
    assert f'href="/s/{study.slug}/"' in page


@pytest.mark.parametrize("step", ["consent", "device", "headphones", "questionnaire", "thanks"])
def test_every_page_leads_to_it(client: Client, step: str) -> None:
    study = make_study(steps=all_steps(), headphone_check="huggins")
    passages.reach(client, study, step)
    assert f'href="/s/{study.slug}/problem/"' in client.get(f"/s/{study.slug}/{step}/").text


@pytest.mark.parametrize("state", ["", "[1]", "{", "[" * 3000, json.dumps({"players": 7})])
def test_a_state_that_makes_no_sense_is_left_out(client: Client, state: str) -> None:
    study = make_study()
    passages.enter(client, study)
    assert send(client, study, state=state) == 302
    assert ProblemReport.objects.get().state in ({}, {"players": []})


def test_an_unknown_kind_is_asked_again_and_a_flood_is_bounded(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study()
    passages.enter(client, study)
    assert send(client, study, kind="x") == 422
    monkeypatch.setattr(problems, "MOST_REPORTS", 2)
    assert [send(client, study) for _ in range(3)] == [302] * 3
    assert ProblemReport.objects.count() == 2


def test_withdrawal_erases_reports_and_device(client: Client) -> None:
    study = make_study()
    participation = passages.reach_trials(client, study)
    send(client, study)
    withdrawal.withdraw(participation=participation)
    assert participation.device == {}
    assert send(client, study) == 302
    assert not ProblemReport.objects.exists()


def test_researchers_read_it_and_an_export_has_it(client: Client, admin_client: Client) -> None:
    study = make_study()
    participation = passages.reach_trials(client, study)
    send(client, study)
    page = admin_client.get(f"/studies/{study.slug}/1/problems/").text
    assert "crackles" in page
    assert participation.identifier in page
    assert "error 4" in page
    assert "1 technical problem reported" in admin_client.get(f"/studies/{study.slug}/1/").text
    file, rows = factories.exported(study, "problems")
    [row] = rows
    assert row["players"].startswith("number=1 ready=0")
    assert row["words"] == "crackles"
    assert [one.name for one in file.columns][:5] == [
        "participation", "reported_at", "page", "trial", "problem",
    ]  # fmt: skip


def test_what_is_reported_after_closing_is_shown_and_changes_no_export(
    client: Client, admin_client: Client
) -> None:
    study = make_study()
    passages.reach_trials(client, study)
    send(client, study)
    lifecycle.close(study)
    send(client, study, words="too late")
    _, rows = factories.exported(study, "problems")
    assert [row["words"] for row in rows] == ["crackles"]
    page = admin_client.get(f"/studies/{study.slug}/1/problems/").text
    assert page.count("after closing") == 1
    assert "too late" in page


def test_the_device_that_the_consent_page_names_is_recorded_and_exported(client: Client) -> None:
    study = make_study()
    participation = passages.enter(client, study)
    assert "operating system" in client.get(f"/s/{study.slug}/consent/").text
    data = {"decision": "agree", "touch": "True", "width": "360"}
    client.post(f"/s/{study.slug}/consent/", data, headers={"user-agent": PHONE})
    participation.refresh_from_db()
    assert participation.device == {
        "browser": "Chrome", "version": 126, "system": "Android", "touch": True,
        "viewport": "narrow",
    }  # fmt: skip
    [row] = factories.exported(study, "participants")[1]
    assert (row["browser"], row["touch"], row["viewport"]) == ("Chrome", True, "narrow")


@pytest.mark.parametrize(
    ("line", "browser", "version", "system"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/120.0 Safari/537.36 Edg/120.0", "Edge", 120,
         "Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) Version/17.4 Mobile Safari/604.1",
         "Safari", 17, "iOS"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:124.0) Gecko Firefox/124.0", "Firefox",
         124, "macOS"),
        ("", "other", None, "other"),
    ],
)  # fmt: skip
def test_browsers(line: str, browser: str, version: int | None, system: str) -> None:
    assert browsers.described(line) == {"browser": browser, "version": version, "system": system}


def test_a_place_is_held_for_those_who_are_there_and_no_other(client: Client) -> None:
    study = make_study(ratings_per_item=1, features=1, trials_per_participation=1)
    first = passages.reach_trials(client, study)
    soon = timezone.now() + timedelta(seconds=60)
    Participation.objects.filter(pk=first.pk).update(lease_expires_at=soon)
    page = client.get(f"/s/{study.slug}/trial/").text
    assert 'data-seconds="6' in page or 'data-seconds="5' in page
    said = client.post(f"/s/{study.slug}/stay").json()
    assert said["seconds"] > 14 * 60
    # A script that only asks does not hold a place for days.
    ages_ago = timezone.now() - timedelta(days=1)
    Participation.objects.filter(pk=first.pk).update(assigned_at=ages_ago, lease_expires_at=soon)
    assert client.post(f"/s/{study.slug}/stay").json()["seconds"] <= 60
    gone = timezone.now() - timedelta(hours=1)
    Participation.objects.filter(pk=first.pk).update(lease_expires_at=gone)
    others = [Client() for _ in study.conditions.all()]
    for other in others:
        passages.reach_trials(other, study)
    first.refresh_from_db()
    assert assignment.extend_place(participation=first) == 0
    assert client.post(f"/s/{study.slug}/stay").json() == {"seconds": 0}


def test_a_wrong_answer_of_the_headphone_check_is_told_at_once(client: Client) -> None:
    study = make_study(
        steps=all_steps(), headphone_check="huggins", headphones_required=True
    )  # fmt: skip
    participation = passages.reach(client, study, "headphones")
    page = f"/s/{study.slug}/headphones/"
    assert "without them, you cannot" not in client.get(page).text
    first = participation.steps_taken.get(step="headphones").data["trials"][0]
    wrong = {"token": first["token"], "choice": first["answer"] % 3 + 1}
    client.post(page, wrong)
    assert "without them, you cannot take part" in client.get(page).text
