"""How a study lets its sounds be played: told, enforced where the server sees it, else flagged."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from studyapp.models import Response, Study, Trial
from tests.studyapp import factories, passages
from tests.studyapp.factories import make_study

pytestmark = pytest.mark.django_db


def send(client: Client, study: Study, trial: Trial, *events: tuple[str, int | None]) -> None:
    """Events of sound 1, each with its type and value."""
    made = [
        {"trial": trial.token, "clip": 1, "type": kind, "at_ms": 10, "sequence": f"more-{number}",
         **({} if value is None else {"value": value})}
        for number, (kind, value) in enumerate(events)
    ]  # fmt: skip
    page = f"/s/{study.slug}/events"
    assert client.post(page, made, content_type="application/json").status_code == 200


def flags_after(client: Client, study: Study, *events: tuple[str, int | None]) -> str:
    """The flags of an answer with these events of sound 1."""
    participation = passages.reach_trials(client, study)
    trial = passages.current(participation)
    passages.hear(client, study, trial)
    send(client, study, trial, *events)
    passages.answer(client, study, trial)
    row: dict[str, Any] = factories.exported(study, "responses")[1][0]
    return str(row["flags"])


def test_the_rules_are_told_and_the_page_gets_them(client: Client) -> None:
    study = make_study(hear_before_choosing=3, most_plays=2, from_start=True)
    participation = passages.reach(client, study, "instructions")
    told = client.get(f"/s/{study.slug}/instructions/").text
    assert "You can play each sound at most 2 times." in told
    assert "as often as" not in told
    passages.reach_trials(client, study)
    send(client, study, passages.current(participation), ("play", 0), ("heard", 400))
    page = client.get(f"/s/{study.slug}/trial/").text
    assert 'data-most-plays="2" data-from-start' in page
    assert 'data-hear-first="3"' in page
    assert 'data-starts="1" data-heard-ms="400"' in page


def test_without_rules_the_page_has_none(client: Client) -> None:
    study = make_study()
    passages.reach_trials(client, study)
    page = client.get(f"/s/{study.slug}/trial/").text
    for name in ("data-most-plays", "data-from-start", "data-hear-first", "data-starts"):
        assert name not in page


def test_an_answer_after_too_little_listening_is_refused(client: Client) -> None:
    study = make_study(hear_before_choosing=600)
    participation = passages.reach_trials(client, study)
    trial = passages.current(participation)
    passages.hear(client, study, trial)
    assert passages.answer(client, study, trial).status_code == 422
    heard = [
        {"trial": trial.token, "clip": clip, "type": "heard", "at_ms": 9, "value": 950,
         "sequence": f"h-{clip}"}
        for clip in (1, 2, 3)
    ]  # fmt: skip
    client.post(f"/s/{study.slug}/events", heard, content_type="application/json")
    assert passages.answer(client, study, trial).status_code == 302
    assert Response.objects.count() == 1


@pytest.mark.parametrize(
    ("rules", "events", "is_flagged"),
    [
        ({"most_plays": 2}, [("play", 0), ("play", 0)], False),
        ({"most_plays": 2}, [("play", 0), ("play", 0), ("play", 0)], True),
        ({"most_plays": 1}, [("play", 0), ("play", 800)], False),
        ({"most_plays": 1}, [("play", 0), ("seek", 0)], True),
        ({"from_start": True}, [("play", 0), ("play", 0)], False),
        ({"from_start": True}, [("play", 0), ("play", 800)], True),
        ({}, [("play", 0), ("play", 800), ("seek", 5)], False),
    ],
)
def test_what_the_players_do_not_allow_is_flagged(
    client: Client, rules: dict[str, Any], events: list[tuple[str, int | None]], is_flagged: bool
) -> None:
    assert ("play_rules" in flags_after(client, make_study(**rules), *events)) == is_flagged
