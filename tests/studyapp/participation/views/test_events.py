from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from studyapp.models import Event, Response, Study, Trial
from tests.studyapp import passages
from tests.studyapp.factories import make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def study() -> Study:
    return make_study(features=3)


@pytest.fixture
def trial(client: Client, study: Study) -> Trial:
    return passages.current(passages.reach_trials(client, study))


def send(client: Client, study: Study, events: Any) -> Any:
    body = events if isinstance(events, str | bytes) else json.dumps(events)
    return client.post(f"/s/{study.slug}/events", body, content_type="application/json")


def event(trial: Trial, /, **changes: Any) -> dict[str, Any]:
    return {"trial": trial.token, "clip": 1, "type": "ended", "at_ms": 5, "sequence": "a-1"} | (
        changes
    )


def test_what_is_stored_is_said_and_what_is_heard(
    client: Client, study: Study, trial: Trial
) -> None:
    events = [event(trial), event(trial, clip=3, sequence="a-2"), event(trial, type="shown",
              clip=None, sequence="a-3")]  # fmt: skip
    response = send(client, study, events)
    assert response.json() == {
        "stored": ["a-1", "a-2", "a-3"],
        "ignored": [],
        "heard": {trial.token: [1, 3]},
    }


def test_a_value_is_kept_and_times_are_rounded(client: Client, study: Study, trial: Trial) -> None:
    send(client, study, [event(trial, type="heard", at_ms=12.6, value=2500)])
    stored = Event.objects.get()
    assert (stored.type, stored.at_ms, stored.value) == ("heard", 13, 2500)


def test_the_same_call_twice_stores_once(client: Client, study: Study, trial: Trial) -> None:
    first, second = (send(client, study, [event(trial)]).json() for _ in range(2))
    assert first == second
    assert Event.objects.count() == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "dance"}, {"type": 3}, {"type": ["ended"]}, {"clip": 0}, {"clip": 6},
        {"clip": "1"}, {"clip": True}, {"clip": None}, {"at_ms": -1}, {"at_ms": None},
        {"at_ms": "5"}, {"at_ms": 2**60}, {"at_ms": True}, {"value": -1}, {"value": "x"},
        {"trial": None}, {"trial": 7}, {"trial": "unknown"}, {"trial": "a b"}, {"trial": "é"},
        {"trial": "x" * 33}, {"trial": ""},
    ],
)  # fmt: skip
def test_what_is_no_event_is_ignored_and_said_so(
    client: Client, study: Study, trial: Trial, changes: dict[str, Any]
) -> None:
    good = event(trial, sequence="good")
    answer = send(client, study, [event(trial, **changes), good]).json()
    assert (answer["stored"], answer["ignored"]) == (["good"], ["a-1"])
    assert Event.objects.count() == 1


@pytest.mark.parametrize("sequence", [None, 5, "", "a" * 41, "a b", "<x>", "é"])
def test_an_event_without_a_proper_sequence_is_passed_over(
    client: Client, study: Study, trial: Trial, sequence: Any
) -> None:
    answer = send(client, study, [event(trial, sequence=sequence), 7, None, []]).json()
    assert answer == {"stored": [], "ignored": [], "heard": {}}


@pytest.mark.parametrize(
    "body",
    ["", "no json", "{}", '"x"', "NaN", b"\xff\xfe", "[" * 50_000, json.dumps([{}] * 201),
     '["' + "x" * 70_000 + '"]'],
)  # fmt: skip
def test_a_body_that_is_not_a_list_of_events_is_refused(
    client: Client, study: Study, trial: Trial, body: Any
) -> None:
    assert send(client, study, body).status_code == 400


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\x00"])
@pytest.mark.parametrize("name", ["trial", "type", "sequence", "clip"])
def test_characters_that_no_database_stores_are_refused(
    client: Client, study: Study, trial: Trial, name: str, text: str
) -> None:
    assert send(client, study, [event(trial, **{name: text})]).status_code == 400


def test_numbers_outside_json_are_not_times(client: Client, study: Study, trial: Trial) -> None:
    body = json.dumps([event(trial)]).replace(": 5", ": NaN")
    assert send(client, study, body).json()["ignored"] == ["a-1"]
    body = json.dumps([event(trial)]).replace(": 5", ": Infinity")
    assert send(client, study, body).json()["ignored"] == ["a-1"]


def test_without_a_participation_nothing_is_taken(study: Study, trial: Trial) -> None:
    assert send(Client(), study, [event(trial)]).status_code == 403


def test_a_foreign_trial_is_ignored(study: Study, trial: Trial) -> None:
    stranger = Client()
    passages.reach_trials(stranger, study)
    assert send(stranger, study, [event(trial)]).json()["ignored"] == ["a-1"]
    assert not Event.objects.exists()


def test_the_csrf_token_goes_in_a_header(study: Study) -> None:
    client = Client(enforce_csrf_checks=True)
    page = client.get(f"/s/{study.slug}/", follow=True)
    token = page.context["csrf_token"]
    assert send(client, study, []).status_code == 403
    headers = {"X-CSRFToken": str(token)}
    response = client.post(
        f"/s/{study.slug}/events", "[]", content_type="application/json", headers=headers
    )
    assert response.status_code == 200


def test_events_are_posted_only(client: Client, study: Study) -> None:
    assert client.get(f"/s/{study.slug}/events").status_code == 405


def with_answer(client: Client, study: Study, trial: Trial, events: Any, **changes: Any) -> Any:
    """An answer as the page's script sends it, with what is left of the events."""
    Trial.objects.filter(pk=trial.pk).update(shown_at=timezone.now() - timedelta(minutes=10))
    sent = events if isinstance(events, str) else json.dumps(events)
    data = {"trial": trial.token, "key": trial.key, "choice": "2", "confidence": "4"}
    return client.post(
        f"/s/{study.slug}/trial/", data | {"events": sent} | changes,
        headers={"Accept": "application/json"},
    )  # fmt: skip


def heard(trial: Trial) -> list[dict[str, Any]]:
    return [event(trial, clip=clip, sequence=f"a-{clip}") for clip in (1, 2, 3)]


def test_events_come_with_the_answer_that_needs_them(
    client: Client, study: Study, trial: Trial
) -> None:
    broken = event(trial, type="no such", sequence="a-4")
    said = with_answer(client, study, trial, [*heard(trial), broken]).json()
    assert said == {
        "saved": True, "next": f"/s/{study.slug}/trial/", "events": ["a-1", "a-2", "a-3", "a-4"],
    }  # fmt: skip
    assert Event.objects.count() == 3
    assert Response.objects.get().trial == trial


def test_events_of_a_rejected_answer_are_stored(client: Client, study: Study, trial: Trial) -> None:
    rejected = with_answer(client, study, trial, heard(trial)[:2])
    assert rejected.status_code == 422
    assert rejected.json()["events"] == ["a-1", "a-2"]
    assert rejected.json()["heard"] == {trial.token: [1, 2]}
    unsure = with_answer(client, study, trial, heard(trial)[2:], confidence="")
    assert (unsure.status_code, unsure.json()["events"]) == (422, ["a-3"])
    assert with_answer(client, study, trial, []).json()["saved"]


def test_events_of_an_answer_that_comes_again_are_settled(
    client: Client, study: Study, trial: Trial
) -> None:
    for _ in range(2):
        said = with_answer(client, study, trial, heard(trial)).json()
        assert (said["saved"], said["events"]) == (True, ["a-1", "a-2", "a-3"])
    assert Event.objects.count() == 3


@pytest.mark.parametrize("sent", ["", "no JSON", "{}", "[" * 100_000, '["\\u0000"]'])
def test_what_is_no_list_of_events_costs_no_answer(
    client: Client, study: Study, trial: Trial, sent: str
) -> None:
    send(client, study, heard(trial))
    said = with_answer(client, study, trial, sent).json()
    assert (said["saved"], said["events"]) == (True, [])
