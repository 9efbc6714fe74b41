"""Making a study step by step: the defaults, every setting, what the pages show."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from analysis.reading import exclusions
from studyapp import texts
from studyapp.models import LabelCandidate, PersonList, Run, StudyDraft
from studyapp.models.steps import all_steps
from studyapp.studies import own_questions, questionnaire
from studyapp.studies.questionnaire import GOLD_MSI_ITEMS
from studyapp.studies.services import lifecycle, protocol
from studyapp.studies.settings import every_setting, setting
from studyapp.wizard.forms import FORMS
from studyapp.wizard.forms.checks import LIMITS, SWITCHES
from studyapp.wizard.services import drafts
from studyapp.wizard.services.answers import STEPS, answered, settings_of
from tests.studyapp import factories
from tests.studyapp.queries import queries
from tests.studyapp.wizard.walk import WORDING, assert_copied, begun, hurry, made, post, shown

pytestmark = pytest.mark.django_db


def test_going_on_throughout_makes_a_study_of_defaults(researcher: Client, run: Run) -> None:
    draft = hurry(researcher)
    assert (draft.created_by and draft.created_by.get_username(), draft.study) == ("ada", None)
    study = made(researcher, draft)
    draft.refresh_from_db()
    assert (draft.done, draft.total) == (12, 12)
    assert (study.slug, study.state, study.features_wanted) == ("listening", "draft", 12)
    assert set(study.conditions.values_list("method", flat=True)) == set(factories.METHODS)
    assert (study.trials_per_participation, study.ratings_per_item) == (10, 3)
    assert (study.saes, study.strata, study.catch_trials, study.repeat_trials) == (
        [], ["sae"], 1, 1,
    )  # fmt: skip
    assert study.analysis_plan == {
        "confirmatory": ["difference_mean_confidence"],
        "comparisons": [["corpus-tags", "descriptors"]],
    }
    assert study.recruitment.entry == "link"
    lifecycle.open_study(lifecycle.freeze(study))
    moved = researcher.get(reverse("plan-review", args=[draft.pk]), headers={"HX-Request": "true"})
    assert moved.headers["HX-Redirect"] == reverse("study", args=["listening", 1])


def test_nothing_is_kept_until_the_first_answer_and_then_everything_is(
    researcher: Client, run: Run
) -> None:
    researcher.get(reverse("new-study"))
    assert not StudyDraft.objects.exists()
    post(researcher, reverse("new-study"))
    draft = StudyDraft.objects.get()
    size = reverse("plan-step", args=[draft.pk, "size"])
    post(researcher, size, trials_per_participation=4, ratings_per_item=2)
    assert shown(researcher.get(size))["trials_per_participation"] == 4
    assert "Unfinished" in researcher.get(reverse("home")).content.decode()
    researcher.post(reverse("plan-discard", args=[draft.pk]))
    assert not StudyDraft.objects.exists()


def test_every_setting_reaches_the_study(researcher: Client, run: Run) -> None:
    other = factories.make_run(name="other")
    factories.make_features(other, count=6)
    draft = hurry(researcher, runs=[run.pk, other.pk], saes=["layer2-n64-k4"])

    def say(step: str, **changes: Any) -> None:
        page = post(researcher, reverse("plan-step", args=[draft.pk, step]), **changes)
        assert page.status_code == 200, page.context["form"].errors

    say("features", features_wanted=8, seed=9, strata=["layer", "score"])
    say("trials", option_policy="identification", design="within")
    say("size", trials_per_participation=4, ratings_per_item=2, lease_minutes=30,
        payment="2.50", currency="GBP")  # fmt: skip
    say("checks", steps=["practice", "device"], practice_trials=1, catch_trials=2, repeat_trials=1,
        fast_seconds=3, max_failed_catch=1, switches=["inconsistent"], equivalence_bound=0.4,
        plan_text="As said.", looks="pocock")  # fmt: skip
    say("texts", title_="What is it?", slug="mine", language="de", further=["en"],
        contact="me@example.org", institution="The university", retention="zehn Jahre",
        retention__en="ten years")  # fmt: skip
    say("recruitment", entry="token", service="prolific", external_study="theirs",
        code_complete="DONE", code_no_consent="NO", code_incompatible_device="OLD")  # fmt: skip
    study = made(researcher, draft)
    assert {one.name for one in study.runs.all()} == {run.name, "other"}
    assert (study.saes, study.seed, study.strata) == (["layer2-n64-k4"], 9, ["layer", "score"])
    assert (study.option_policy, study.design, study.lease_minutes) == (
        "identification", "within", 30,
    )  # fmt: skip
    assert study.steps == ["consent", "device", "instructions", "practice", "trial"]
    assert (study.headphone_check, study.practice_trials, study.catch_trials) == ("none", 1, 2)
    assert study.exclusion_rules == {"max_failed_catch": 1, "inconsistent": True}
    assert study.analysis_plan["equivalence_bound"] == 0.4
    assert study.analysis_plan["text"] == "As said."
    assert study.analysis_plan["looks"] == {"fractions": [0.33, 0.67, 1], "spending": "pocock"}
    assert (study.title, study.slug, study.languages) == ("What is it?", "mine", ["de", "en"])
    assert study.consent_text == texts.default("consent", "de")
    assert set(study.texts) == {"en"}
    assert (study.institution, study.retention) == ("The university", "zehn Jahre")
    assert texts.of_study(study, "retention", "en") == "ten years"
    assert study.codes == {"complete": "DONE", "no_consent": "NO", "incompatible_device": "OLD"}
    row = study.recruitment
    assert (row.entry, row.service, row.external_study) == ("token", "prolific", "theirs")
    assert (str(row.payment), row.currency) == ("2.50", "GBP")
    assert_copied(study)


def test_another_service_and_who_cannot_begin_reach_the_study(researcher: Client, run: Run) -> None:
    draft = hurry(researcher, runs=[run.pk])
    people = PersonList.objects.create(project=draft.project, name="Class of 2025")
    earlier = PersonList.objects.create(project=draft.project, name="Class of 2024")
    place = reverse("plan-step", args=[draft.pk, "recruitment"])
    refused = post(researcher, place, service="other")
    assert "give the other service&#x27;s name" in refused.content.decode()
    page = post(
        researcher, place, service="other", service_name="SONA", person_parameter="survey_code",
        return_address="https://x.example/?s={person}", excluded_lists=[earlier.pk, people.pk],
    )  # fmt: skip
    assert page.status_code == 200, page.context["form"].errors
    assert "SONA, survey_code, https://x.example/?s={person}" in page.content.decode()
    assert "people of 2 lists" in page.content.decode()
    study = made(researcher, draft)
    row = study.recruitment
    assert (row.service_name, row.person_parameter) == ("SONA", "survey_code")
    assert row.return_address == "https://x.example/?s={person}"
    assert {*row.excluded_lists.all()} == {people, earlier}
    assert_copied(study)
    # The page lists them by name, and their numbers are in another order.
    assert not drafts.is_behind(study)
    earlier.delete()
    assert not drafts.is_behind(study)


@pytest.mark.parametrize(
    ("settings", "facts"),
    [
        (
            {"steps": all_steps(), "headphone_check": "both", "headphones_required": True,
             "practice_trials": 1, "show_waveform": True, "lease_minutes": 30},
            {"Outline of each sound": "drawn", "Practice trials": "1",
             "Headphone check": "both, one after the other; those who fail are screened out",
             "Minutes before an idle place is released": "30"},
        ),
        (
            {"steps": ["consent", "instructions", "trial"], "headphone_check": "none"},
            {"Outline of each sound": "not drawn", "Practice trials": "0",
             "Headphone check": "none", "Minutes before an idle place is released": "90"},
        ),
    ],
)  # fmt: skip
def test_what_a_participant_meets_is_told_on_the_review_and_on_the_studys_page(
    researcher: Client, run: Run, settings: dict[str, Any], facts: dict[str, str]
) -> None:
    study = factories.make_study(run=run, **settings)
    draft = drafts.copy_of(study=study, created_by=None)
    summary = researcher.get(reverse("plan-review", args=[draft.pk])).context["summary"]
    told = {name: value for _, _, more in summary for name, value in more}
    assert {name: told[name] for name in facts} == facts
    page = researcher.get(reverse("study", args=[study.slug, study.version])).content.decode()
    for name, value in facts.items():
        line = f"<dt>{name}</dt><dd>{value}</dd>"
        assert (line in page) == (value not in ("0", "none")), line


def test_a_tick_box_has_the_help_of_its_setting(researcher: Client, run: Run) -> None:
    page = researcher.get(reverse("plan-step", args=[begun(run).pk, "trials"]))
    help_text = setting("show_waveform").help
    told = f'<p class="hint" id="id_show_waveform_helptext">{help_text}</p>'
    assert told in page.content.decode()


def test_gold_msi_in_the_researchers_words_and_another_loudness(
    researcher: Client, run: Run
) -> None:
    draft = begun(run)
    texts_page = reverse("plan-step", args=[draft.pk, "texts"])
    post(researcher, reverse("plan-step", args=[draft.pk, "trials"]), loudness_lufs=-20)
    # Without the choice the wording would be lost.
    data = shown(researcher.get(texts_page)) | {"wording__en": WORDING}
    refused = researcher.post(texts_page, data)
    assert refused.status_code == 422
    assert "choose the index, or clear them" in refused.content.decode()
    post(researcher, texts_page, musical_training="gold-msi", wording__en=WORDING)
    draft.refresh_from_db()
    settings = settings_of(answered(draft))
    study = protocol.unsaved(**settings)
    assert study.loudness_lufs == -20.0
    asked = questionnaire.training(study.questions, "en")
    assert [one.text for one in asked] == [f"Item {number}" for number in GOLD_MSI_ITEMS]
    assert asked[0].answers[6] == ("7", "answer 7")
    # What was kept stands in the form again, and goes away with the choice.
    assert shown(researcher.get(texts_page))["wording__en"] == WORDING
    review = researcher.get(reverse("plan-review", args=[draft.pk])).content.decode()
    assert "Gold-MSI" in review
    assert "-20 LUFS" in review
    post(researcher, texts_page, musical_training="own")
    draft.refresh_from_db()
    assert draft.answers["questions"] == {}


def test_own_questions_are_written_as_text_and_every_language_asks_the_same(
    researcher: Client, run: Run
) -> None:
    draft = begun(run)
    texts_page = reverse("plan-step", args=[draft.pk, "texts"])
    english, german = "age (number 18 to 99): How old?", "age (number 18 to 98): Wie alt?"
    data = shown(researcher.get(texts_page)) | {"further": ["de"], "asked__en": english}
    odd = researcher.post(texts_page, data | {"asked__de": "Wie alt?"})
    assert "a question begins with NAME" in odd.content.decode()
    other = researcher.post(texts_page, data | {"asked__de": german})
    assert "de: age must have the name, kind, limits" in other.content.decode()
    none = researcher.post(texts_page, data)
    assert "the own questions are missing in de" in none.content.decode()
    right = german.replace("98", "99")
    post(researcher, texts_page, further=["de"], asked__en=english, asked__de=right)
    draft.refresh_from_db()
    study = protocol.unsaved(**settings_of(answered(draft)))
    assert own_questions.as_text(study.own_questions, "de") == right
    assert shown(researcher.get(texts_page))["asked__en"] == english
    post(researcher, texts_page, asked__en="", asked__de="")
    draft.refresh_from_db()
    assert draft.answers["own_questions"] == []


def test_other_methods_make_the_pairs_void_and_other_runs_the_saes(
    researcher: Client, run: Run
) -> None:
    draft = hurry(researcher, saes=["layer2-n64-k4"])
    post(researcher, reverse("plan-step", args=[draft.pk, "methods"]), methods=["descriptors"])
    draft.refresh_from_db()
    assert answered(draft)["comparisons"] == []
    other = factories.make_run()
    factories.make_features(other, count=3, sae="layer9-n64-k4")
    sources = reverse("plan-step", args=[draft.pk, "sources"])
    look = researcher.post(f"{sources}?look", {"runs": [other.pk]})
    assert "layer9-n64-k4" in look.content.decode()
    post(researcher, sources, runs=[other.pk], saes=[])
    draft.refresh_from_db()
    answers = answered(draft)
    assert (answers["saes"], answers["features_wanted"]) == ([], 3)


def test_controls_and_methods_with_few_labels_are_not_chosen_by_default(
    researcher: Client, run: Run
) -> None:
    features = list(run.features.all())
    LabelCandidate.objects.bulk_create(
        LabelCandidate(feature=feature, method=method, rank=rank, text=f"{method} {rank}")
        for method, some in (("rare", features[:2]), ("random-label@descriptors", features))
        for feature in some
        for rank in (1, 2, 3)
    )
    page = post(researcher, reverse("new-study"))
    values = page.context["form"]["methods"].value()
    assert values == ["corpus-tags", "descriptors", "random-label@descriptors"]
    assert "random-label@descriptors · control · 12 features" in page.content.decode()


def test_every_setting_is_asked_for_in_the_step_that_the_table_names(run: Run) -> None:
    draft = begun(run)
    assert tuple(FORMS) == STEPS
    for step in STEPS:
        form = FORMS[step](draft=draft, answers=answered(draft), runs=[run])
        on_page = {field.name for _, fields in form.bound_groups() for field in fields}
        # A field that no page shows could not be filled in.
        assert set(form.fields) == on_page
        asked = {one.name for one in every_setting() if one.step == step}
        assert asked <= {name.rstrip("_") for name in on_page}


def test_exclusion_rules_are_those_of_the_analysis() -> None:
    assert set(LIMITS) | set(SWITCHES) == set(exclusions.RULES)


def test_no_step_grows_with_its_run(researcher: Client, run: Run) -> None:
    draft = begun(run)
    pages = [reverse("plan-step", args=[draft.pk, step]) for step in STEPS]
    pages += [reverse("plan-review", args=[draft.pk]), reverse("home")]
    few = [queries(lambda page=page: researcher.get(page)) for page in pages]
    factories.make_features(run, count=12, sae="layer4-n64-k4")
    factories.make_features(run, count=12, sae="layer5-n64-k4")
    many = [queries(lambda page=page: researcher.get(page)) for page in pages]
    assert few == many
    assert max(few) <= 13


def test_pairs_are_offered_where_there_are_steered_clips_and_make_a_study(
    researcher: Client, run: Run
) -> None:
    draft = begun(run)
    address = reverse("plan-step", args=[draft.pk, "trials"])
    assert "contrasts" not in researcher.get(address).context["form"].fields
    factories.make_steered(list(run.features.all()), seeds=4)
    offered = [
        value for value, _ in researcher.get(address).context["form"]["contrasts"].field.choices
    ]
    assert offered == ["add@1/plain", "add@2/plain", "add@1/random-direction@1", "add@2/add@1"]
    post(researcher, address, option_policy="pair", may_choose_none="on",
         contrasts=["add@1/plain", "add@2/plain"])  # fmt: skip
    size = reverse("plan-step", args=[draft.pk, "size"])
    post(researcher, size, trials_per_participation=4, ratings_per_item=1)
    study = made(researcher, draft)
    assert study.items.filter(role="main").count() == 12 * len(factories.METHODS) * 2
    assert (study.option_policy, study.may_choose_none) == ("pair", True)
    assert study.analysis_plan == {}
    assert study.instructions_text == texts.default("instructions", "en", "pair")
    assert "two at a time" in study.consent_text
    page = researcher.get(reverse("study-items", args=[study.slug, study.version]))
    assert page.content.decode().count("add@2/plain, seed") == 12 * len(factories.METHODS)
    assert_copied(study)


def test_texts_follow_the_kind_of_trial_unless_somebody_wrote_them(
    researcher: Client, run: Run
) -> None:
    factories.make_steered(list(run.features.all()), seeds=4)
    draft = begun(run)
    post(researcher, reverse("plan-step", args=[draft.pk, "texts"]), debrief_text="Ours.")
    post(researcher, reverse("plan-step", args=[draft.pk, "trials"]), option_policy="pair")
    draft.refresh_from_db()
    found = answered(draft)
    assert found["debrief_text"] == "Ours."
    assert found["instructions_text"] == texts.default("instructions", "en", "pair")
