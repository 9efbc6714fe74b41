from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from studyapp.core.errors import StudyError
from studyapp.models import Exemplar, Item, LabelCandidate, Run, Stimulus, Study
from studyapp.models.steps import paper_steps
from studyapp.studies.services import design, lifecycle
from studyapp.studies.settings import SETTINGS
from tests.studyapp.factories import METHODS, make_features, make_run, make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def run() -> Run:
    run = make_run()
    make_features(run, count=6)
    return run


def create(run: Run, **changes: Any) -> Study:
    given = {
        "slug": "demo", "title": "What do you hear?", "methods": METHODS, "seed": 3,
        "features_wanted": 4, "trials_per_participation": 2, "steps": paper_steps(),
    }  # fmt: skip
    return lifecycle.create_study(run=run, **(given | changes))


def test_every_method_gets_the_same_features_and_the_same_three_stimuli(run: Run) -> None:
    study = create(run)
    cells = {
        condition.method: {
            item.feature.identifier: [stimulus.sha256 for stimulus in item.stimuli]
            for item in study.items.filter(condition=condition)
        }
        for condition in study.conditions.all()
    }
    assert set(cells) == set(METHODS)
    assert cells[METHODS[0]] == cells[METHODS[1]]
    assert len(cells[METHODS[0]]) == 4
    assert all(len(set(stimuli)) == 3 for stimuli in cells[METHODS[0]].values())


def test_a_draft_states_which_features_are_excluded_and_why(run: Run) -> None:
    make_features(run, count=3, candidates=2, sae="layer3-n64-k4")
    Exemplar.objects.filter(feature__identifier="layer2-n64-k4/0", rank__gt=2).delete()
    assert create(run).left_out == {
        "features": 9,
        "eligible": 5,
        "left_out": 4,
        "reasons": {
            "fewer than 3 candidates by corpus-tags": 3,
            "fewer than 3 candidates by descriptors": 3,
            "fewer than 3 exemplars": 1,
        },
    }


def test_candidates_that_differ_in_case_or_spacing_are_one(run: Run) -> None:
    labels = LabelCandidate.objects.filter(feature__index=0, method="descriptors")
    for rank, text in ((1, "Warm  Strings"), (2, "warm strings"), (3, "drums")):
        labels.filter(rank=rank).update(text=text)
    labels.filter(rank__gt=3).delete()
    assert create(run).left_out["reasons"] == {"fewer than 3 candidates by descriptors": 1}


def test_failed_labels_are_no_candidates(run: Run) -> None:
    LabelCandidate.objects.filter(feature__index=0, rank__gt=2).update(status="failed")
    assert create(run).left_out["left_out"] == 1


def test_options_come_from_the_method_and_its_neighbours(run: Run) -> None:
    LabelCandidate.objects.filter(rank__gt=3).delete()
    study = create(run)
    for item in study.items.select_related("condition", "feature"):
        own = [option for option in item.options if option["source"] == item.condition.method]
        lent = [option for option in item.options if option["source"] != item.condition.method]
        assert [option["rank"] for option in own] == [1, 2, 3]
        nearest = item.feature.neighbours[:2]
        assert [option["source"] for option in lent] == [f"feature:{name}" for name in nearest]
        assert [option["rank"] for option in lent] == [None, None]
        assert len({option["text"].casefold() for option in item.options}) == 5


def test_features_are_drawn_in_proportion_to_what_each_sae_kept() -> None:
    run = make_run()
    make_features(run, count=12)
    make_features(run, count=6, sae="layer3-n64-k4")
    study = create(run, features_wanted=9, methods=["descriptors"])
    drawn = Counter(item.feature.sae for item in study.items.select_related("feature"))
    assert drawn == {"layer2-n64-k4": 6, "layer3-n64-k4": 3}


def test_features_are_drawn_only_from_the_chosen_saes(run: Run) -> None:
    make_features(run, count=6, sae="layer3-n64-k4")
    study = create(run, saes=["layer3-n64-k4"])
    assert {item.feature.sae for item in study.items.all()} == {"layer3-n64-k4"}
    assert study.left_out["features"] == 6


def test_features_are_stratified_by_layer_rate_and_score() -> None:
    run = make_run()
    make_features(run, count=12)
    for index, feature in enumerate(run.features.order_by("index")):
        feature.rate, feature.layer = index / 100, index % 2
        feature.score = 0.5 if index < 6 else None
        feature.save()
    drawn = create(run, strata=["rate"], features_wanted=6, methods=["descriptors"])
    thirds = Counter(int(item.feature.rate * 100 + 0.5) // 4 for item in drawn.items.all())
    assert thirds == {0: 2, 1: 2, 2: 2}
    drawn = create(run, strata=["layer", "score"], features_wanted=6, methods=["descriptors"])
    layers = Counter(item.feature.layer for item in drawn.items.all())
    assert layers == {0: 3, 1: 3}
    assert sum(item.feature.score is None for item in drawn.items.all()) == 3


def test_a_study_of_two_runs_keeps_their_features_apart(run: Run) -> None:
    other = make_run()
    make_features(other, count=6)
    study = create(run, more_runs=[other], features_wanted=8)
    items = study.items.select_related("feature", "condition")
    assert Counter(item.feature.run_id for item in items) == {run.pk: 8, other.pk: 8}
    assert len({(item.feature.pk, item.condition.method) for item in items}) == 16
    assert set(study.runs.all()) == {run, other}


def test_what_was_frozen_before_there_were_strata_keeps_its_hash(run: Run) -> None:
    plain, other = create(run), create(run, strata=["layer"])
    document = json.dumps(
        {one.name: one.value_of(plain) for one in SETTINGS if not one.added_later}
        | {
            "runs": [run.name],
            "conditions": sorted(METHODS),
            "items": [design._described(item) for item in design.selectors.items_of(plain)],
        },
        sort_keys=True, ensure_ascii=False, separators=(",", ":"),
    )  # fmt: skip
    assert lifecycle.design_hash(plain) == hashlib.sha256(document.encode()).hexdigest()
    other.version = plain.version
    assert lifecycle.design_hash(other) != lifecycle.design_hash(plain)


def test_a_draft_is_replaced_and_a_frozen_study_is_not(run: Run) -> None:
    draft = create(run)
    again = create(run, replaces=draft, title="Anew")
    assert [(study.version, study.title) for study in Study.objects.all()] == [(1, "Anew")]
    lifecycle.freeze(again)
    with pytest.raises(StudyError, match="is frozen: an edit needs a new version"):
        create(run, replaces=again)
    assert Study.objects.get() == again


def test_what_is_called_within_the_making_can_undo_it(run: Run) -> None:
    def refuse(study: Study) -> None:
        assert study.items.count() == 8
        raise StudyError("not now")

    with pytest.raises(StudyError, match="not now"):
        create(run, within=refuse)
    assert not Study.objects.exists()


def test_the_seed_decides(run: Run) -> None:
    def cells(study: Study) -> list[Any]:
        rows = study.items.order_by("identifier")
        return list(rows.values_list("feature__identifier", "stimulus_1__sha256", "options"))

    assert cells(create(run)) == cells(create(run))
    assert cells(create(run)) != cells(create(run, seed=4))


def test_stimuli_are_reported_and_made_once(run: Run) -> None:
    seen: list[tuple[int, int]] = []
    create(run, progress=lambda done, total: seen.append((done, total)))
    count = Stimulus.objects.count()
    assert seen == [(done, count) for done in range(1, count + 1)]
    create(run)
    assert Stimulus.objects.count() == count


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ["gemini"]}, "no labels by gemini: it has corpus-tags, descriptors"),
        ({"methods": []}, "one or more distinct names"),
        ({"methods": ["descriptors", "descriptors"]}, "one or more distinct names"),
        ({"features_wanted": 7}, "7 features wanted, 6 are eligible"),
        ({"features_wanted": 7, "strata": []}, "7 features wanted, 6 are eligible"),
        ({"features_wanted": 7, "strata": ["layer", "score"]}, "7 features wanted, 6 are eligible"),
        ({"features_wanted": 0, "trials_per_participation": 0}, "features_wanted is 0"),
        ({"trials_per_participation": 5}, "5 trials need as many different features"),
        ({"ratings_per_item": 0}, "ratings_per_item is 0: it must be from 1 to 1000"),
        ({"analysis_plan": {"looks": {"fractions": [0.5, 0.9]}}}, "looks is .* the last one 1"),
        ({"loudness_lufs": 0.0}, "loudness_lufs is 0.0"),
        ({"slug": "no/slug"}, "slug"),
        ({"steps": ["consent", "trial"]}, "every study needs the step instructions"),
        ({"steps": ["trial", "consent", "instructions"]}, "in this order"),
        ({"steps": [*paper_steps(), "dance"]}, "there is no step 'dance'"),
        ({"headphone_check": "huggins"}, "does not fit the steps"),
        ({"languages": ["en", "xx"]}, "must be distinct, and from: en, de"),
        ({"languages": ["en", "de"], "consent_text": "Own."}, "consent_text is missing in de"),
        ({"questions": {"musical_training": "gold-msi"}}, "your wording of item 14 in en"),
        ({"slug": "descriptors-study"}, "the slug .* is shown to participants"),
        ({"title": "Corpus-Tags or not"}, "the title .* is shown to participants"),
        ({"saes": ["layer9"]}, "there is no SAE layer9 in these runs: they have layer2-n64-k4"),
        ({"strata": ["colour"]}, "strata must be from sae, layer, rate, score, not 'colour'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    run: Run, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(StudyError, match=message) as refused:
        create(run, **changes)
    assert "\n" not in str(refused.value)
    assert not Study.objects.exists()


def test_a_clip_that_cannot_be_read_leaves_no_study(run: Run) -> None:
    run.clips.update(path="nowhere.flac")
    with pytest.raises(StudyError, match="cannot be read"):
        create(run)
    assert not Study.objects.exists()


def test_the_next_study_of_a_slug_is_the_next_version(run: Run) -> None:
    assert [create(run).version, create(run).version] == [1, 2]


def test_only_one_version_of_a_slug_is_open(run: Run) -> None:
    first, second = (lifecycle.freeze(create(run)) for _ in range(2))
    lifecycle.open_study(first)
    with pytest.raises(StudyError, match="another version of demo is open"):
        lifecycle.open_study(second)
    lifecycle.close(first)
    assert lifecycle.open_study(second).state == Study.State.OPEN


def test_a_frozen_study_is_not_changed(run: Run) -> None:
    study = create(run)
    lifecycle.update_study(study=study, title="Another title")
    lifecycle.freeze(study)
    with pytest.raises(StudyError, match="is frozen: an edit needs a new version"):
        lifecycle.update_study(study=study, title="A third title")
    study.refresh_from_db()
    assert study.title == "Another title"
    assert len(study.design_hash) == 64


def test_a_plan_that_its_report_would_refuse_is_not_frozen(run: Run) -> None:
    study = create(run)
    plan = {"looks": {"fractions": [0.5, 0.9]}}
    with pytest.raises(StudyError, match="looks is"):
        lifecycle.update_study(study=study, analysis_plan=plan)
    # A draft from before this was checked.
    Study.objects.filter(pk=study.pk).update(analysis_plan=plan)
    with pytest.raises(StudyError, match="looks is"):
        lifecycle.freeze(study)


def test_what_items_were_drawn_from_cannot_be_changed_even_in_a_draft(run: Run) -> None:
    with pytest.raises(StudyError, match="cannot change seed"):
        lifecycle.update_study(study=create(run), seed=9)


@pytest.mark.parametrize("field", ["title", "consent_text", "ratings_per_item", "analysis_plan"])
def test_the_design_hash_covers_texts_and_numbers(run: Run, field: str) -> None:
    study = create(run)
    before = lifecycle.design_hash(study)
    setattr(study, field, 7)
    assert lifecycle.design_hash(study) != before


def test_a_study_that_is_not_what_was_frozen_does_not_open(run: Run) -> None:
    study = lifecycle.freeze(create(run))
    Item.objects.filter(study=study, identifier="i0001").update(options=[])
    with pytest.raises(StudyError, match="its design hash differs"):
        lifecycle.open_study(study)


@pytest.mark.parametrize(
    ("state", "allowed"),
    [
        ("draft", {"freeze"}),
        ("frozen", {"open_study", "close"}),
        ("open", {"pause", "close"}),
        ("paused", {"open_study", "close"}),
        ("closed", set()),
    ],
)
def test_a_study_changes_state_only_as_allowed(run: Run, state: str, allowed: set[str]) -> None:
    for action in ("freeze", "open_study", "pause", "close"):
        study = make_study(run=run, state=state, slug=f"{state}-{action[:4]}")
        if action in allowed:
            getattr(lifecycle, action)(study)
        else:
            with pytest.raises(StudyError, match=f"is {state}"):
                getattr(lifecycle, action)(study)


def test_the_database_itself_keeps_one_item_a_cell(run: Run) -> None:
    item = create(run).items.get(identifier="i0001")
    item.pk, item.identifier = None, "i9999"
    with pytest.raises(IntegrityError), transaction.atomic():
        item.save()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a" * 20_001, "consent_text has 20001 characters: at most 20000"),
        ("[" * 501, "consent_text has 501 opening brackets: at most 500"),
    ],
)
def test_a_text_that_would_hold_up_every_page_is_refused(run: Run, text: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        create(run, consent_text=text)
    study = create(run)
    with pytest.raises(StudyError, match=message):
        lifecycle.update_study(study=study, consent_text=text)
    with pytest.raises(StudyError, match=message.replace("consent_text", "consent_text in de")):
        create(run, languages=["en", "de"], texts={"de": {"consent_text": text}})
