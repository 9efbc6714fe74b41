"""The sound checks: what is drawn, what passes, who is screened out."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from studyapp.core.errors import ParticipationError
from studyapp.exports.participants import STEP_COLUMNS
from studyapp.models import Participation, StepRecord, Study
from studyapp.models.steps import STEPS
from studyapp.participation.selectors import participations as selectors
from studyapp.participation.services import checks, participations, steps
from tests.studyapp.factories import make_features, make_run, make_study

pytestmark = pytest.mark.django_db

WITHOUT_PRACTICE = [step.value for step in STEPS if step not in ("practice", "questionnaire")]


def make_one(**options: Any) -> Participation:
    """A participation that has consented, in a study with all checks."""
    run = make_run(clips=4, seconds=0.5)
    make_features(run, count=2, exemplars=4)
    study: Study = make_study(run=run, features=2, steps=WITHOUT_PRACTICE, **options)
    return participations.consent(participation=participations.begin(study=study))


def at_headphones(**options: Any) -> Participation:
    """One that has passed the device and the volume check."""
    one = make_one(**options)
    for step in ("device", "volume"):
        steps.pass_step(participation=one, step=step, data={})
    return one


def answer_round(one: Participation, *, right: int) -> None:
    """Answer a check until it is decided; the first `right` answers are right."""
    before = len(checks.begin_headphones(participation=one).data["passed"])
    for number in range(checks.HEADPHONE_TRIALS):
        record = checks.begin_headphones(participation=one)
        if len(record.data["passed"]) > before:
            return
        trial = checks.current_trial(record)
        choice = trial["answer"] if number < right else 1 + trial["answer"] % 3
        checks.answer_headphones(participation=one, token=trial["token"], choice=choice)


def record_of(one: Participation, step: str) -> StepRecord:
    return one.steps_taken.get(step=step)


def test_a_round_has_every_answer_twice_and_no_sound_twice() -> None:
    data = checks.begin_headphones(participation=at_headphones()).data
    assert Counter(trial["answer"] for trial in data["trials"]) == {1: 2, 2: 2, 3: 2}
    assert len(set(data["sounds"].values())) == len(data["sounds"]) == 6


@pytest.mark.parametrize(("right", "passed"), [(6, True), (5, True), (4, False)])
def test_five_of_six_pass(right: int, passed: bool) -> None:
    one = at_headphones(headphone_check="huggins")
    answer_round(one, right=right)
    record = record_of(one, "headphones")
    assert record.data["headphones"] is passed
    assert record.done_at is not None
    assert selectors.step_of(one) == "instructions"


@pytest.mark.parametrize(
    ("answers", "passed", "asked"),
    [("rrrrr", True, 5), ("wrrrrr", True, 6), ("ww", False, 2), ("rrrrww", False, 6)],
)
def test_a_check_ends_as_soon_as_its_result_is_certain(
    answers: str, passed: bool, asked: int
) -> None:
    """What was asked and answered is kept, and nothing that was not."""
    one = at_headphones(headphone_check="antiphase")
    for letter in answers:
        assert selectors.step_of(one) == "headphones"
        trial = checks.current_trial(checks.begin_headphones(participation=one))
        choice = trial["answer"] if letter == "r" else trial["answer"] % 3 + 1
        checks.answer_headphones(participation=one, token=trial["token"], choice=choice)
    record = record_of(one, "headphones")
    assert record.done_at is not None
    assert record.data["passed"] == {"antiphase": passed}
    told = "".join("wr"[trial["given"] == trial["answer"]] for trial in record.data["trials"])
    assert (told, len(told)) == (answers, asked)


def test_both_ends_with_the_first_kind_that_is_failed() -> None:
    both = at_headphones(headphone_check="both")
    answer_round(both, right=0)
    data = record_of(both, "headphones").data
    assert (data["passed"], data["headphones"]) == ({"huggins": False}, False)
    assert checks.headphone_result(both) is False


def test_either_gives_a_second_chance_and_both_asks_for_two() -> None:
    either = at_headphones(headphone_check="either")
    answer_round(either, right=2)
    assert selectors.step_of(either) == "headphones"
    answer_round(either, right=6)
    assert record_of(either, "headphones").data["passed"] == {"huggins": False, "antiphase": True}
    assert record_of(either, "headphones").data["headphones"] is True
    both = at_headphones(headphone_check="both", slug="both")
    answer_round(both, right=6)
    answer_round(both, right=0)
    assert record_of(both, "headphones").data["headphones"] is False


def test_failing_a_check_screens_out_only_if_the_study_says_so() -> None:
    one = at_headphones(headphone_check="antiphase", headphones_required=True)
    answer_round(one, right=1)
    one.refresh_from_db()
    assert (one.status, one.screened_for) == ("screened_out", "headphones")
    assert len(one.ending_code) == 8
    assert one.completion_code == ""
    assert selectors.step_of(one) == "ended"


def test_an_answer_to_another_trial_changes_nothing() -> None:
    one = at_headphones()
    first = checks.current_trial(checks.begin_headphones(participation=one))
    checks.answer_headphones(participation=one, token=first["token"], choice=1)
    with pytest.raises(ParticipationError, match="not for the current trial"):
        checks.answer_headphones(participation=one, token=first["token"], choice=2)
    given = [trial["given"] for trial in record_of(one, "headphones").data["trials"]]
    assert given == [1, None, None, None, None, None]


def test_three_wrong_counts_end_the_volume_check_without_screening_out() -> None:
    one = make_one()
    steps.pass_step(participation=one, step="device", data={})
    tokens = set()
    for _ in range(checks.VOLUME_ATTEMPTS):
        data = checks.begin_volume(participation=one).data
        tokens.add(data["token"])
        wrong = data["target"] + 1
        checks.answer_volume(participation=one, token=data["token"], count=wrong)
    assert len(tokens) == 3
    assert record_of(one, "volume").data["passed"] is False
    assert selectors.step_of(one) == "headphones"


def test_a_second_click_on_old_tones_counts_no_attempt() -> None:
    one = make_one()
    steps.pass_step(participation=one, step="device", data={})
    data = checks.begin_volume(participation=one).data
    for _ in range(2):
        checks.answer_volume(participation=one, token=data["token"], count=data["target"] + 1)
    assert len(record_of(one, "volume").data["answers"]) == 1


def test_what_the_page_saw_is_kept_with_each_answer_and_summed_in_the_export() -> None:
    one = make_one(headphone_check="huggins")
    steps.pass_step(participation=one, step="device", data={})
    data = checks.begin_volume(participation=one).data
    seen = {"plays": 2, "heard_ms": 5000, "hidden_ms": 40, "page_ms": 9000}
    checks.answer_volume(
        participation=one, token=data["token"], count=data["target"], evidence=seen
    )
    assert record_of(one, "volume").data["evidence"] == [seen]
    for number in range(checks.HEADPHONE_PASS):
        trial = checks.current_trial(checks.begin_headphones(participation=one))
        evidence = {"plays": 1, "heard_ms": 1000} if number < 4 else {}  # the last without script
        checks.answer_headphones(
            participation=one, token=trial["token"], choice=trial["answer"], evidence=evidence
        )
    told = {
        column.name: column.value(one)
        for column in STEP_COLUMNS
        if column.name.startswith("checks_")
    }
    assert told == {"checks_plays": 6, "checks_heard_ms": 9_000, "checks_hidden_ms": 40}
