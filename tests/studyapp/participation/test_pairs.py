"""Trials of two sounds: how they are drawn, shown, answered and exported."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from studyapp import exports
from studyapp.core.errors import StudyError
from studyapp.exports import columns
from studyapp.exports import selectors as rows
from studyapp.models import Participation, Response, Study, Trial
from studyapp.participation.services import replay
from studyapp.studies.services import design, lifecycle, preview_copies
from tests.studyapp import passages
from tests.studyapp.factories import METHODS, make_features, make_pair_study, make_run, make_steered
from tests.studyapp.factories import make_study as make_any_study

pytestmark = pytest.mark.django_db
CONTRASTS = ["add@1/plain", "add@1/random-direction@1", "add@2/add@1"]


def exported(study: Study) -> list[dict[str, Any]]:
    return [columns.RESPONSES.record(row) for row in rows.responses(study)]


def answered(client: Client, study: Study, **changes: Any) -> Participation:
    """Somebody who answers every trial so."""
    someone = passages.reach_trials(client, study)
    for trial in someone.trials.order_by("number"):
        client.get(f"/s/{study.slug}/trial/")
        passages.hear(client, study, trial)
        passages.answer(client, study, trial, choice="1", **changes)
    someone.refresh_from_db()
    return someone


def test_a_feature_has_an_item_for_every_method_and_contrast_all_of_one_seed() -> None:
    study = make_pair_study(contrasts=CONTRASTS)
    items = list(study.items.select_related("condition", "feature"))
    assert len(items) == 6 * len(METHODS) * len(CONTRASTS)
    assert Counter(item.variant for item in items) == dict.fromkeys(CONTRASTS, 12)
    for feature in {item.feature for item in items}:
        assert len({item.steering_seed for item in items if item.feature == feature}) == 1
    seeds = Counter(item.steering_seed for item in items)
    assert max(seeds.values()) == min(seeds.values())
    one = next(item for item in items if item.variant == "add@1/random-direction@1")
    assert one.sounds == [
        {"role": "steered", "intervention": "add", "strength": 1.0},
        {"role": "random", "intervention": "random-direction", "strength": 1.0},
    ]
    assert one.options == []
    assert len(one.stimuli) == 2
    assert one.prompt == one.feature.labels.get(method=one.condition.method, rank=1).text


def test_sounds_of_a_pair_have_one_loudness_one_length_and_one_size(settings: Any) -> None:
    study = make_pair_study(catch_trials=1)
    sounds = [one for item in study.items.all() for one in item.stimuli]
    assert len({one.seconds for one in sounds}) == 1
    assert len({(settings.DATA / one.path).stat().st_size for one in sounds}) == 1
    assert all(abs(one.loudness_lufs + 23) < 0.11 for one in sounds)


def test_nobody_hears_a_sound_twice_and_orders_are_balanced(client: Client) -> None:
    study = make_pair_study(features=8, trials=4, contrasts=CONTRASTS, ratings_per_item=2)
    for _ in range(4):
        someone = passages.reach_trials(Client(), study)
        trials = list(someone.trials.select_related("item"))
        heard = [one.sha256 for trial in trials for one in trial.item.stimuli]
        assert len(set(heard)) == len(heard)
        assert Counter(tuple(trial.option_order) for trial in trials) == {(0, 1): 2, (1, 0): 2}
        assert replay.replay(participation=someone) == replay.stored(participation=someone)


def test_too_few_seeds_are_refused_in_one_line() -> None:
    run = make_run()
    make_steered(make_features(run), seeds=2)
    with pytest.raises(StudyError, match="steer again with --takes 3"):
        make_any_study(run=run, option_policy="pair", contrasts=["add@1/plain"])


@pytest.mark.parametrize(
    ("contrasts", "said"),
    [
        (["add@1"], "is not a contrast"),
        (["add@1/add@1"], "against itself"),
        (["add/plain"], "neither plain nor"),
        (["add@1/plain", "plain/add@1"], "given twice"),
        (["add@3/plain"], "0 are eligible"),
    ],
)
def test_contrasts_that_cannot_be_are_refused(contrasts: list[str], said: str) -> None:
    with pytest.raises(StudyError, match=said):
        make_pair_study(contrasts=contrasts)


def test_contrasts_belong_to_pairs_and_pairs_need_steered_clips() -> None:
    with pytest.raises(StudyError, match="contrasts are for pairs"):
        make_any_study(contrasts=["add@1/plain"])
    with pytest.raises(StudyError, match="pairs need contrasts"):
        make_any_study(option_policy="pair")


def test_without_contrasts_a_study_has_all_that_its_clips_allow() -> None:
    study = make_pair_study(contrasts=None)
    assert study.contrasts == [
        "add@1/plain", "add@2/plain", "add@1/random-direction@1", "add@2/add@1",
    ]  # fmt: skip


def test_the_page_asks_for_two_sounds_and_about_one_label(client: Client) -> None:
    study = make_pair_study()
    someone = passages.reach_trials(client, study)
    trial = passages.current(someone)
    page = client.get(f"/s/{study.slug}/trial/").content.decode()
    assert re.search(r"Which of the two has more of <q [^>]+>", page)
    assert trial.item.prompt in page
    assert page.count('<li class="player') == 2
    assert page.count('name="choice"') == 2
    assert "No difference" not in page
    assert client.get(f"/s/{study.slug}/audio/{trial.token}/3").status_code == 404


def test_the_sound_of_a_position_is_the_one_that_its_order_says(
    client: Client, settings: Any
) -> None:
    study = make_pair_study(features=4, trials=4)
    someone = passages.reach_trials(client, study)
    for trial in someone.trials.order_by("number")[:2]:
        for number in (1, 2):
            sent = client.get(f"/s/{study.slug}/audio/{trial.token}/{number}").content
            stimulus = trial.item.stimuli[trial.option_order[number - 1]]
            assert sent == (settings.DATA / stimulus.path).read_bytes()


def test_an_answer_is_exported_with_what_was_heard(client: Client) -> None:
    study = make_pair_study(contrasts=CONTRASTS, features=4, trials=4)
    someone = answered(client, study)
    found = exported(study)
    assert len(found) == 4
    for trial, row in zip(someone.trials.order_by("number"), found, strict=True):
        item, order = trial.item, trial.option_order
        stimuli = [item.stimuli[index].sha256 for index in order]
        assert [row["clip_1"], row["clip_2"], row["clip_3"]] == [*stimuli, None]
        for number, index in enumerate(order, 1):
            sound = item.sounds[index]
            assert row[f"clip_role_{number}"] == sound["role"]
            assert row[f"clip_strength_{number}"] == sound["strength"]
            assert row[f"clip_intervention_{number}"] == sound["intervention"]
        assert row["strength"] == max(sound["strength"] for sound in item.sounds)
        assert (row["trial_type"], row["answer"], row["chosen_position"]) == ("pair", "chosen", 1)
        assert (row["prompt"], row["steering_seed"]) == (item.prompt, item.steering_seed)
        assert row["method"] == item.condition.method
        assert (row["clip_role_3"], row["option_1"], row["chosen_label"]) == (None, None, None)
        assert row["target_position"] is None
    drawn = [columns.TRIALS.record(row) for row in rows.trials(study)]
    assert [row["clip_role_1"] for row in drawn] == [row["clip_role_1"] for row in found]


def test_stimuli_of_pairs_are_listed_without_a_track(client: Client) -> None:
    study = make_pair_study()
    listed = [columns.STIMULI.record(row) for row in rows.stimuli(study)]
    wanted = {one.sha256 for item in study.items.all() for one in item.stimuli}
    assert {row["clip"] for row in listed} == wanted
    assert {row["track"] for row in listed} == {None}


@pytest.mark.parametrize("kind", ["pair", "candidates"])
def test_nothing_may_be_chosen_only_where_the_study_says_so(client: Client, kind: str) -> None:
    make = make_pair_study if kind == "pair" else make_any_study
    answer = "no_difference" if kind == "pair" else "none_of_these"
    refusing = make()
    trial = passages.current(passages.reach_trials(client, refusing))
    passages.hear(client, refusing, trial)
    assert passages.answer(client, refusing, trial, choice="0").status_code == 422
    study = make(may_choose_none=True)
    other = Client()
    someone = passages.reach_trials(other, study)
    trial = passages.current(someone)
    assert 'value="0"' in other.get(f"/s/{study.slug}/trial/").content.decode()
    passages.hear(other, study, trial)
    assert passages.answer(other, study, trial, choice="0").status_code == 302
    [response] = Response.objects.filter(trial__participation=someone)
    assert (response.answer, response.choice) == (answer, None)
    [row] = exported(study)
    told = [row[name] for name in ("answer", "chosen_position", "chosen_label", "chosen_rank")]
    assert told == [answer, None, None, None]
    assert row["confidence"] == 4


def test_practice_catch_and_repeats_are_pairs_with_a_right_sound(client: Client) -> None:
    study = make_pair_study(
        features=4, trials=4, catch_trials=1, repeat_trials=1, practice_trials=1,
        steps=["consent", "instructions", "practice", "trial"],
    )  # fmt: skip
    someone = passages.reach(client, study, "practice")
    page = client.get(f"/s/{study.slug}/practice/").content.decode()
    assert "more of" in page
    passages.pass_step(client, study, someone, "practice")
    feedback = client.get(f"/s/{study.slug}/practice/").content.decode()
    assert "Yes, that is the one" in feedback
    passages.reach_trials(client, study)
    trials = list(someone.trials.order_by("number"))
    assert Counter(trial.kind for trial in trials) == {
        "practice": 1, "main": 4, "catch": 1, "repeat": 1,
    }  # fmt: skip
    assert all(len(trial.option_order) == 2 for trial in trials)
    again = next(trial for trial in trials if trial.kind == Trial.Kind.REPEAT)
    assert again.repeat_of is not None
    assert again.option_order == again.repeat_of.option_order[::-1]
    passages.finish(client, study, someone)
    found = {row["kind"]: row for row in exported(study)}
    catch = found["catch"]
    assert (catch["clip_role_1"], catch["clip_role_3"]) == ("synthesised", None)
    assert catch["target_position"] in (1, 2)
    assert catch["prompt"]


def test_a_preview_and_the_design_have_all_of_a_pair() -> None:
    study = make_pair_study(may_choose_none=True)
    copy = preview_copies.make(study, None)
    assert design.document(copy)["items"] == design.document(study)["items"]
    first = design.document(study)["items"][0]
    assert {"variant", "prompt", "steering_seed", "sounds"} <= set(first)
    assert design.hash_of_export(exports.protocol(study)) == study.design_hash


def make_intruder_study(**options: Any) -> Study:
    run = make_run(clips=40)
    make_features(run, count=12, exemplars=4)
    given = {"features": 12, "trials_per_participation": 5, "option_policy": "intruder"} | options
    return make_any_study(run=run, **given)


def test_an_intruder_is_no_exemplar_and_stands_at_every_place(client: Client) -> None:
    study = make_intruder_study(catch_trials=1)
    assert list(study.conditions.values_list("method", flat=True)) == ["intruder"]
    for item in study.items.filter(role="main").select_related("feature"):
        own = set(item.feature.exemplars.values_list("clip", flat=True))
        intruder, *alike = [one.clip_id for one in item.stimuli]
        assert len(alike) == len(set(alike)) == 4
        assert set(alike) <= own
        assert intruder not in own
    for item in study.items.filter(role="main"):
        for place, sound in enumerate(item.sounds):
            sound["clap"] = float(place)
        item.save(update_fields=["sounds"])
    someone = answered(client, study)
    main = someone.trials.filter(kind="main")
    assert {trial.option_order.index(0) for trial in main} == {0, 1, 2, 3, 4}
    for row in exported(study):
        roles = [row[f"clip_role_{n}"] for n in range(1, 6)]
        assert (row["trial_type"], row["prompt"], row["steering_seed"]) == ("intruder", None, None)
        if row["kind"] == "main":
            assert roles.index("intruder") + 1 == row["target_position"]
            assert roles.count("exemplar") == 4
            # The intruder is stored first; what is known of a sound follows it to its place.
            assert row[f"clip_clap_{row['target_position']}"] == 0.0
        assert len({row[f"clip_{n}"] for n in range(1, 6)}) == 5
        assert (row["plays_5"], row["chosen_position"], row["answer"]) == (0, 1, "chosen")


def test_an_intruder_offers_no_further_answer_and_five_players(client: Client) -> None:
    with pytest.raises(StudyError, match="may_choose_none does not fit"):
        make_intruder_study(may_choose_none=True)
    study = make_intruder_study()
    passages.reach_trials(client, study)
    page = client.get(f"/s/{study.slug}/trial/").content.decode()
    assert "Which of the five does not belong" in page
    assert page.count('<li class="player') == page.count('name="choice"') == 5


def test_a_passage_of_pairs_can_be_played_back(client: Client, researcher: Client) -> None:
    study = make_pair_study(may_choose_none=True)
    someone = passages.reach_trials(client, study)
    trial = passages.current(someone)
    passages.hear(client, study, trial)
    passages.answer(client, study, trial, choice="0")
    address = reverse("playback", args=[study.slug, study.version, someone.identifier])
    blind = researcher.get(address).content.decode()
    assert "Which of the two has more of …?" in blind
    assert trial.item.prompt not in blind
    lifecycle.close(study)
    shown = researcher.get(address).content.decode()
    assert trial.item.prompt in shown
    assert shown.count('value="0" data-chosen') == 1
