"""Signs of programs among the listeners: what gives each, and that nothing is kept uninvited."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from studyapp.exports import machines, participants
from studyapp.exports.machines import Watched, WatchedTrial, signs
from studyapp.exports.write import tables
from studyapp.models import Event, Study
from studyapp.monitoring.services.flags import flags
from tests.studyapp import passages
from tests.studyapp.factories import make_study

PERSON = WatchedTrial(after_ms=5_000, moves=300, presses=6)
TIMES = (3_000, 5_000, 9_000, 4_000)
ASKED = {"highest": 2, "beats": 5}


def someone(**changes: Any) -> Watched:
    trials = [replace(PERSON, after_ms=ms) for ms in TIMES]
    return Watched([replace(one, **changes) for one in trials], targets=ASKED, given=ASKED)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"moves": 0, "presses": 0}, []),  # By keyboard or by touch.
        ({"text": 20, "keys": 24, "interval_ms": 200, "spread_ms": 120}, []),
        ({"text": 2}, []),
        ({"pastes": 1, "text": 20}, ["pasted"]),
        ({"text": 20, "keys": 3}, ["untyped"]),
        ({"text": 20, "keys": 22, "interval_ms": 40, "spread_ms": 2}, ["even_typing"]),
        ({"moves": 12}, ["no_movement"]),
        ({"moves": 13}, []),
        ({"had_input": False}, ["no_input"]),
        ({"had_focus": False}, ["no_focus"]),
        ({"after_ms": 100}, ["at_once", "even_times"]),
        ({"after_ms": None}, []),
        ({"after_ms": -50}, []),
    ],
)
def test_each_sign_has_its_cause(changes: dict[str, Any], found: list[str]) -> None:
    assert signs(someone(**changes)) == found


def test_the_two_questions_are_judged_and_may_be_missing() -> None:
    wrong = Watched([PERSON] * 2, targets=ASKED, given={"highest": 1, "beats": 4})
    assert signs(wrong) == ["wrong_tone", "wrong_beats"]
    assert signs(Watched([PERSON] * 2)) == []
    assert signs(Watched([])) == []


def test_single_trials_are_no_sign_and_the_threshold_decides() -> None:
    odd = replace(PERSON, had_input=False, had_focus=False)
    others = [replace(PERSON, after_ms=ms) for ms in TIMES]
    assert signs(Watched([odd, *others])) == []
    assert [machines.is_flagged(["a"] * n) for n in (2, 3)] == [False, True]


def row_of(study: Study) -> dict[str, Any]:
    file, read = tables(study)["participants"]
    return dict(zip(file.header(), file.cells(next(iter(read()))), strict=True))


def passage(client: Client, study: Study) -> None:
    """A program: sets fields, has no ears, presses without moving."""
    participation = passages.reach(client, study, "hearing" if study.watch_machines else "trial")
    if study.watch_machines:
        page = client.get(f"/s/{study.slug}/hearing/").content.decode()
        data = participation.steps_taken.get(step="hearing").data
        assert "targets" not in page
        wrong = {name: target % 3 + 1 for name, target in data["targets"].items()}
        wrong["beats"] = 3 if data["targets"]["beats"] != 3 else 4
        sent = {"token": data["token"], **wrong}
        client.post(f"/s/{study.slug}/hearing/", sent)
        client.post(f"/s/{study.slug}/hearing/", sent | data["targets"])  # Counted once.
    passages.pass_step(client, study, participation, "instructions")
    for _ in range(study.trials_per_participation):
        client.get(f"/s/{study.slug}/trial/")
        trial = passages.current(participation)
        kinds = {"keys": 0, "pointer": 2, "presses": 6, "paste": 12}
        events = [
            {"trial": trial.token, "type": kind, "at_ms": 900, "value": value,
             "sequence": f"{trial.token[:8]}-w-{kind}"}
            for kind, value in kinds.items()
        ]  # fmt: skip
        client.post(f"/s/{study.slug}/events", events, content_type="application/json")
        passages.hear(client, study, trial)
        passages.answer(client, study, trial, free_text="a warm sound")


@pytest.mark.django_db
def test_a_program_is_flagged_and_listed_with_its_signs(client: Client) -> None:
    study = make_study(features=3, watch_machines=True)
    passage(client, study)
    row = row_of(study)
    assert row["machine_signs"] == ("pasted|no_movement|no_input|even_times|wrong_tone|wrong_beats")
    assert (row["tone_heard"], row["beats_heard"], row["pastes"]) == ("false", "false", 3)
    assert (row["keys"], row["pointer_moves"], row["pointer_presses"]) == (0, 6, 18)
    assert "machine_like" in row["flags"].split("|")
    [listed] = flags(study).flagged
    assert machines.SIGNS["wrong_beats"] in listed.reasons


@pytest.mark.django_db
def test_a_study_that_does_not_say_so_records_and_asks_nothing(client: Client) -> None:
    study = make_study(features=3)
    assert "hearing" not in study.steps
    passage(client, study)
    assert not Event.objects.filter(type__in=Event.WATCHED).exists()
    row = row_of(study)
    assert [row[one.name] for one in participants.MACHINE_COLUMNS] == ["", "", *[None] * 8]
    assert "machine_like" not in row["flags"]


@pytest.mark.django_db
@pytest.mark.parametrize("watches", [True, False])
def test_the_consent_page_says_what_is_recorded_and_only_then_the_script_comes(
    client: Client, watches: bool
) -> None:
    study = make_study(features=3, watch_machines=watches)
    passages.reach(client, study, "consent")
    page = client.get(f"/s/{study.slug}/consent/").content.decode()
    assert ("how much the pointer moves" in page) is watches
    other = Client()
    passages.reach_trials(other, study)
    page = other.get(f"/s/{study.slug}/trial/").content.decode()
    assert ("watch.js" in page, "data-watch" in page) == (watches, watches)
