from __future__ import annotations

import csv
from typing import Any

import pytest
from django.test import Client

from studyapp import exports
from studyapp.core.errors import StudyError
from studyapp.exports import flags as quality
from studyapp.exports.flags import Facts
from studyapp.models import Participation, Response, Study, Trial
from studyapp.participation.selectors.trials import progress_of
from studyapp.studies.services import lifecycle
from tests.studyapp import passages
from tests.studyapp.factories import make_features, make_run, make_study

RULES = {"fast_seconds": 2.0, "straight_line": 5}


def mains(count: int, *, same: bool, short: int = 0) -> list[Facts]:
    return [
        Facts("main", 2 if same else 1 + n % 5, 4 if same else 1 + n % 5,
              ("under_clip_length",) if n < short else ())
        for n in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "flags"),
    [
        (mains(5, same=False), []),
        (mains(5, same=True), ["same_confidence", "same_position"]),
        (mains(4, same=True), []),
        (mains(6, same=False, short=3), ["rushed"]),
        (mains(6, same=False, short=2), []),
        ([Facts("catch", 1, 1, ("failed_catch",))], ["failed_catch"]),
        ([Facts("repeat", 1, 1, ("changed_label",))] * 2, ["inconsistent"]),
        ([Facts("repeat", 1, 1, ("changed_label",)), Facts("repeat", 1, 1, ())], []),
        ([], []),
    ],
)
def test_flags_of_a_participation(answers: list[Facts], flags: list[str]) -> None:
    assert quality.participation_flags(answers, RULES) == flags


@pytest.mark.parametrize(
    ("rules", "message"),
    [({"fast_seconds": 99}, "fast_seconds is 99"), ({"reject": True}, "quality_rules must be")],
)
@pytest.mark.django_db
def test_rules_out_of_range_are_refused(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        make_study(quality_rules=rules)


def rows_of(study: Study, tmp_path: Any) -> dict[str, list[dict[str, str]]]:
    out = exports.export_study(study=study, out=tmp_path / "export")
    return {
        name: list(csv.DictReader((out / name).read_text(encoding="utf-8").splitlines()))
        for name in ("responses.csv", "participants.csv")
    }


def choose(client: Client, study: Study, trial: Trial, index: int) -> None:
    """Answer the trial with the option of that index in the item's own order."""
    client.get(f"/s/{study.slug}/trial/")
    passages.hear(client, study, trial)
    place = trial.option_order.index(index) + 1
    passages.answer(client, study, trial, choice=str(place))


@pytest.mark.django_db
def test_catch_and_repeat_are_exported_and_flagged_without_screening_out(
    tmp_path: Any,
) -> None:
    study = make_study(features=6, trials_per_participation=4, catch_trials=1, repeat_trials=1)
    client = Client()
    someone = passages.reach_trials(client, study)
    while (trial := progress_of(someone).current) is not None:
        wrong = {"main": 1, "catch": 3, "repeat": 2}[trial.kind]
        choose(client, study, trial, wrong)
    first = someone.trials.get(number=1)
    Response.objects.filter(trial=first).update(response_ms=2_500)
    someone.refresh_from_db()
    assert someone.status == Participation.Status.COMPLETE
    assert someone.completion_code

    rows = rows_of(study, tmp_path)
    by_kind = {row["kind"]: row for row in rows["responses.csv"]}
    assert sorted(row["kind"] for row in rows["responses.csv"]) == [
        "catch", "main", "main", "main", "main", "repeat",
    ]  # fmt: skip
    catch, repeat = by_kind["catch"], by_kind["repeat"]
    assert catch["flags"] == "failed_catch"
    assert catch["target_position"] != catch["chosen_position"]
    assert (catch["feature"], catch["method"]) == ("", someone.condition.method)  # type: ignore[union-attr]
    assert repeat["flags"] == "changed_label"
    original = next(r for r in rows["responses.csv"] if r["trial"] == repeat["repeat_of"])
    assert (original["item"], original["kind"]) == (repeat["item"], "main")
    orders = [[row[f"option_{n}"] for n in range(1, 6)] for row in (original, repeat)]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])
    # Three sounds of one second: 2.5 s is under their length.
    assert next(r for r in rows["responses.csv"] if r["trial"] == "1")["flags"] == (
        "under_clip_length"
    )
    [participant] = rows["participants.csv"]
    assert participant["flags"] == "failed_catch|inconsistent"


@pytest.mark.django_db
def test_an_answer_right_after_the_sounds_is_fast(tmp_path: Any) -> None:
    study = make_study(trials_per_participation=1)
    client = Client()
    passages.finish(client, study, passages.reach_trials(client, study))
    for ms, flags in ((2_900, "under_clip_length"), (3_000, "fast"), (5_000, "")):
        Response.objects.update(response_ms=ms)
        rows = rows_of(study, tmp_path / str(ms))
        assert rows["responses.csv"][0]["flags"] == flags


@pytest.mark.django_db
def test_catch_items_are_made_as_all_stimuli_are() -> None:
    """Same length, loudness and header; nothing about a feature or a condition."""
    study = make_study(run=None, catch_trials=2)
    catch = list(study.items.filter(role="catch"))
    assert [item.identifier for item in catch] == ["c01", "c02", "c03", "c04"]
    others = study.items.filter(role="main").first()
    assert others is not None
    lengths = {s.seconds for item in [*catch, others] for s in item.stimuli}
    assert len(lengths) == 1
    assert all(abs(s.loudness_lufs + 23) <= 0.2 for item in catch for s in item.stimuli)
    assert len({s.sha256 for item in catch for s in item.stimuli}) == 12
    assert {len({o["text"] for o in item.options}) for item in catch} == {5}
    assert {item.target for item in catch} == {0}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"catch_trials": 9}, "catch_trials is 9: it must be from 0 to 3"),
        ({"repeat_trials": 2}, "repeat_trials is 2: it must be from 0 to 1"),
        ({"design": "sideways"}, "design is 'sideways'"),
        ({"option_policy": "guess"}, "option_policy is 'guess'"),
        ({"codes": {"maybe": "X"}}, "not maybe"),
        ({"codes": {"complete": "a code"}}, "the code for complete is 'a code'"),
    ],
)
def test_settings_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        make_study(**options)


@pytest.mark.django_db
def test_what_is_frozen_covers_the_new_settings() -> None:
    study = make_study(state=Study.State.DRAFT)
    before = lifecycle.design_hash(study)
    for change in ({"design": "within"}, {"repeat_trials": 1}, {"codes": {"complete": "C1"}}):
        lifecycle.update_study(study=study, **change)
        study.refresh_from_db()
        after = lifecycle.design_hash(study)
        assert after != before
        before = after


@pytest.mark.django_db
def test_a_run_without_a_second_of_sound_is_still_long_enough_for_a_catch() -> None:
    run = make_run(seconds=0.5)
    make_features(run)
    study = make_study(run=run, catch_trials=1)
    assert {s.seconds for i in study.items.all() for s in i.stimuli} == {0.5}
