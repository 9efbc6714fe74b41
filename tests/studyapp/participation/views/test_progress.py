"""One progress line over the whole study, and checks that take no answer to a sound not played."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from studyapp.models import Participation, Study
from studyapp.models.steps import Step, all_steps
from studyapp.participation.selectors import participations as selectors
from studyapp.participation.selectors.passage import passage
from tests.studyapp import passages
from tests.studyapp.factories import make_study

pytestmark = pytest.mark.django_db
LINE = re.compile(r'about (\d+) minutes? left.*?<progress max="100" value="(\d+)"', re.DOTALL)


@pytest.fixture
def study(db: None) -> Study:
    return make_study(steps=all_steps(), headphone_check="either", practice_trials=2)


def bar_of(page: str) -> int:
    """Per cent done, as a page says."""
    found = LINE.search(page)
    assert found
    return int(found[2])


def told(client: Client, study: Study, step: str) -> tuple[int, int]:
    """Minutes left and per cent done, as the page of the step says."""
    found = LINE.search(client.get(f"/s/{study.slug}/{step}/").content.decode())
    assert found, step
    return int(found[1]), int(found[2])


def test_every_page_says_how_far_one_is_and_the_bar_never_falls_back(
    client: Client, study: Study
) -> None:
    participation = passages.enter(client, study)
    seen = []
    while (step := selectors.step_of(participation)) != Step.THANKS:
        seen.append(told(client, study, step))
        passages.pass_step(client, study, participation, step)
        participation.refresh_from_db()
    done = [percent for _, percent in seen]
    assert done == sorted(done)
    assert (done[0], done[-1] < 100) == (0, True)
    assert len(set(done)) >= len(done) - 2
    assert seen[0][0] > seen[-1][0] == 1


def test_who_is_asked_to_agree_is_told_how_long_it_takes(client: Client, study: Study) -> None:
    passages.enter(client, study)
    minutes, _ = told(client, study, "consent")
    page = client.get(f"/s/{study.slug}/consent/").content.decode()
    assert f"<dt>Duration</dt><dd>about {minutes} minutes</dd>" in page


def test_the_time_left_follows_the_design_and_the_pace(study: Study) -> None:
    """The steps, and two practice and three main trials: 3 s of sound, 20 s for the answer."""
    steps = {"consent": 60, "device": 10, "volume": 45, "headphones": 100, "instructions": 60,
             "questionnaire": 60}  # fmt: skip
    expected = sum(steps.values()) + 5 * 23
    assert passage(study, Step.CONSENT).minutes_left == -(-expected // 60)
    slow = passage(study, Step.TRIAL, within=1 / 3, pace=90.0)
    assert slow.minutes_left == 4  # two trials of 90 s, and the questionnaire
    study.trials_per_participation = 40
    assert passage(study, Step.CONSENT).minutes_left == -(-(expected + 37 * 23) // 60)


def at(client: Client, study: Study, step: str) -> Participation:
    participation = passages.reach(client, study, step)
    client.get(f"/s/{study.slug}/{step}/")
    return participation


@pytest.mark.parametrize(("step", "field"), [("volume", "count"), ("headphones", "choice")])
def test_an_answer_to_a_sound_that_was_not_played_is_refused(
    client: Client, study: Study, step: str, field: str
) -> None:
    participation = at(client, study, step)
    before = participation.steps_taken.get(step=step).data
    token = before["token"] if step == "volume" else before["trials"][0]["token"]
    given = {"token": token, field: "2", "plays": "0", "heard_ms": "0"}
    response = client.post(f"/s/{study.slug}/{step}/", given)
    assert response.status_code == 422
    assert "Please play the sound first." in re.sub(
        r"<script.*?</script>", "", response.content.decode(), flags=re.DOTALL
    )
    assert participation.steps_taken.get(step=step).data == before
    assert client.post(f"/s/{study.slug}/{step}/", given | {"plays": "1"}).status_code == 302
    assert participation.steps_taken.get(step=step).data != before


def answered(client: Client, participation: Participation, *, right: bool) -> str:
    """The headphone check's page before an answer, which is then given."""
    address = f"/s/{participation.study.slug}/headphones/"
    page = client.get(address).content.decode()
    trials = participation.steps_taken.get(step="headphones").data["trials"]
    asked = next(trial for trial in trials if trial["given"] is None)
    choice = asked["answer"] if right else asked["answer"] % 3 + 1
    client.post(address, {"token": asked["token"], "choice": choice})
    return page


def test_the_headphone_check_is_counted_over_both_kinds_and_says_its_result(
    client: Client, study: Study
) -> None:
    participation = at(client, study, "headphones")
    bars = []
    for number, most in ((1, 12), (2, 12)):
        page = answered(client, participation, right=False)
        assert f"Headphones: {number} of at most {most}" in page
        assert "So far it seems" not in page
        bars.append(bar_of(page))
    page = answered(client, participation, right=False)
    assert "Headphones: 3 of at most 8" in page
    assert "So far it seems that you have no headphones on." in page
    assert "you can go on without" in page
    assert "4 of at most 8" in answered(client, participation, right=False)
    said = client.get(f"/s/{study.slug}/instructions/").content.decode()
    assert "It seems that you have no headphones on." in said
    bars += [bar_of(page), bar_of(said)]
    assert bars == sorted(bars)


def test_a_passed_headphone_check_says_so(client: Client, study: Study) -> None:
    participation = at(client, study, "headphones")
    for _ in range(5):
        answered(client, participation, right=True)
    page = client.get(f"/s/{study.slug}/instructions/").content.decode()
    assert "Headphone check passed." in page
