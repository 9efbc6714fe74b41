"""The wizard for a new study: all defaults, saved drafts, a worker that builds it, versions."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.template.defaultfilters import floatformat
from django.test import Client
from django.urls import reverse

from analysis.reading import exclusions
from studyapp import texts
from studyapp.accounts.services import projects
from studyapp.jobs import tasks
from studyapp.jobs.services import jobs
from studyapp.models import AuditRecord, Job, LabelCandidate, Project, Run, Study, StudyDraft
from studyapp.models.steps import all_steps
from studyapp.studies import questionnaire
from studyapp.studies.questionnaire import GOLD_MSI_ITEMS
from studyapp.studies.services import lifecycle, protocol
from studyapp.studies.settings import every_setting, setting
from studyapp.wizard.forms import FORMS
from studyapp.wizard.forms.checks import LIMITS, SWITCHES
from studyapp.wizard.services import drafts, power
from studyapp.wizard.services.answers import STEPS, answered, answers_of, settings_of
from studyapp.wizard.services.price import minutes_of, price_of
from tests.studyapp import factories
from tests.studyapp.queries import queries

pytestmark = pytest.mark.django_db


@pytest.fixture
def run() -> Run:
    run = factories.make_run()
    factories.make_features(run, count=6)
    factories.make_features(run, count=6, sae="layer3-n64-k4")
    return run


WORDING = "\n\n".join(
    "\n".join([f"Item {number}", *(f"answer {step}" for step in range(1, 8))])
    for number in GOLD_MSI_ITEMS
)


def shown(page: Any) -> dict[str, Any]:
    """What a browser would send if the page's form were submitted unchanged."""
    form = page.context["form"]
    given: dict[str, Any] = {}
    for field in form:
        value = field.value()
        if field.widget_type == "checkbox" and not value:
            continue
        given[field.html_name] = "" if value is None else value
    return given


def post(client: Client, address: str, **changes: Any) -> Any:
    """The page's form with these changes."""
    return client.post(address, shown(client.get(address)) | changes, follow=True)


def hurry(client: Client, **first: Any) -> StudyDraft:
    """Press Next on every step."""
    page = post(client, reverse("new-study"), **first)
    for step in STEPS[1:]:
        assert page.context["step"] == step, (
            page.context.get("form") and page.context["form"].errors
        )
        page = post(client, page.wsgi_request.path)
    draft = StudyDraft.objects.get()
    assert page.wsgi_request.path == reverse("plan-review", args=[draft.pk])
    return draft


def begun(run: Run) -> StudyDraft:
    """A draft with nothing chosen except the run."""
    return drafts.begin(created_by=User.objects.first(), run=run)


def made(client: Client, draft: StudyDraft) -> Study:
    """The study that a worker builds from the draft."""
    client.post(reverse("plan-review", args=[draft.pk]))
    job = Job.objects.filter(kind=drafts.KIND).latest("pk")
    tasks.work(job.pk)
    job.refresh_from_db()
    assert job.state == Job.State.DONE, job.error
    draft.refresh_from_db()
    assert draft.study is not None
    return draft.study


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


def test_prolific_asks_for_its_codes_which_are_then_in_sight(researcher: Client, run: Run) -> None:
    draft = begun(run)
    address = reverse("plan-step", args=[draft.pk, "recruitment"])
    codes = '<details class="card" data-opened-by="service"'
    assert codes in researcher.get(address).content.decode()
    page = post(researcher, address, service="prolific", code_complete="DONE")
    assert page.status_code == 422
    assert codes not in page.content.decode()
    assert dict(page.context["form"].errors) == {
        f"code_{name}": ["Prolific needs this code."]
        for name in ("no_consent", "incompatible_device")
    }
    drafts.answer(draft=draft, step="", given={"service": "prolific"})
    review = researcher.get(reverse("plan-review", args=[draft.pk])).content.decode()
    assert "Prolific needs completion codes, and there is none for complete, no_c" in review


def test_the_review_and_the_draft_warn_of_facts_that_the_consent_page_leaves_out(
    researcher: Client, run: Run
) -> None:
    draft = begun(run)
    place = reverse("plan-review", args=[draft.pk])
    every = "who runs the study, what participants get, whom to contact, how long data are kept"
    assert f"does not state {every}." in researcher.get(place).content.decode()
    study = made(researcher, draft)
    page = reverse("study", args=[study.slug, study.version])
    assert f"does not state {every}." in researcher.get(page).content.decode()
    drafts.answer(
        draft=draft, step="",
        given={"institution": "a", "contact": "b", "retention": "c", "payment": "2.50"},
    )  # fmt: skip
    assert "does not state" not in researcher.get(place).content.decode()
    study = made(researcher, draft)
    assert "does not state" not in researcher.get(page).content.decode()
    lifecycle.freeze(study)


def test_a_new_currency_makes_a_draft_out_of_date_only_with_a_payment(
    researcher: Client, run: Run
) -> None:
    draft = begun(run)
    study = made(researcher, draft)
    drafts.answer(draft=draft, step="", given={"currency": "GBP"})
    assert not drafts.is_behind(study)
    drafts.answer(draft=draft, step="", given={"payment": "2.50"})
    assert drafts.is_behind(study)
    study = made(researcher, draft)
    assert not drafts.is_behind(study)
    drafts.answer(draft=draft, step="", given={"currency": "USD"})
    assert drafts.is_behind(study)


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


def assert_copied(study: Study) -> None:
    """A draft made from the study's row would build the same study."""
    copied = answered(StudyDraft(answers=answers_of(study)))
    twin = protocol.unsaved(**settings_of(copied))
    for one in every_setting():
        if not one.made:
            assert one.value_of(twin) == one.value_of(study), one.name


@pytest.mark.parametrize(
    "plan",
    [
        {},
        {"comparisons": []},
        {"confirmatory": ["superiority_ratings"], "seed": 5},
        {"looks": {"fractions": [0.33, 0.67, 1], "spending": "obrien-fleming"}},
        {"looks": {"fractions": [0.5, 1], "spending": "pocock", "participants": 40}},
    ],
)
def test_the_next_version_of_a_study_that_a_command_made_loses_nothing(
    plan: dict[str, Any],
) -> None:
    study = factories.make_study(
        state=Study.State.DRAFT, loudness_lufs=-20.0, questions={"musical_training": "own"},
        analysis_plan=plan, lease_minutes=20, codes={"complete": "C"},
        exclusion_rules={"max_failed_catch": 0},
    )  # fmt: skip
    if plan == {"comparisons": []}:
        plan["confirmatory"] = ["difference_mean_confidence"]
        study.analysis_plan = plan
    assert_copied(study)


@pytest.mark.parametrize(
    ("step", "changes", "line"),
    [
        ("sources", {"runs": []}, "This field is required"),
        ("sources", {"runs": [10**9]}, "Select a valid choice"),
        ("methods", {"methods": []}, "This field is required"),
        ("features", {"features_wanted": 13}, "13 is more than the 12 features that can be drawn"),
        (
            "size",
            {"trials_per_participation": 13},
            "13 trials need 13 features, but only 12 are drawn",
        ),
        ("checks", {"repeat_trials": 9}, "repeat_trials is 9: it must be from 0 to 5"),
        ("trials", {"loudness_lufs": -5}, "less than or equal to -10"),
        ("texts", {"musical_training": "gold-msi"}, "needs your wording of item 14 in en"),
        ("texts", {"wording__en": "I play.\nno\nyes"}, "There are 1 paragraphs"),
        ("texts", {"wording__de": f"{WORDING}\nonce more"}, "Item 37 has 8 answers below it"),
        (
            "texts",
            {"slug": "descriptors"},
            "is shown to participants and must not mention a method (descriptors)",
        ),
        ("texts", {"consent_text": "Mine.", "further": ["de"]}, "consent_text is missing in de"),
        ("recruitment", {"code_complete": "a b"}, "the code for complete is"),
        ("size", {"currency": "euro"}, "Enter a valid value"),
    ],
)
def test_a_fault_is_reported_on_the_page_of_its_step(
    researcher: Client, run: Run, step: str, changes: dict[str, Any], line: str
) -> None:
    draft = begun(run)
    before = draft.answers
    page = post(researcher, reverse("plan-step", args=[draft.pk, step]), **changes)
    assert page.status_code == 422
    assert line in page.content.decode()
    draft.refresh_from_db()
    assert draft.answers == before


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


def test_a_rebuilt_draft_replaces_the_old_one_and_a_frozen_study_gets_a_next_version(
    researcher: Client, run: Run
) -> None:
    draft = begun(run)
    first = made(researcher, draft)
    page = reverse("study", args=[first.slug, 1])
    behind = "Settings have changed since this draft was built"
    assert behind not in researcher.get(page).content.decode()
    post(researcher, reverse("plan-step", args=[draft.pk, "size"]), ratings_per_item=5)
    assert behind in researcher.get(page).content.decode()
    second = made(researcher, draft)
    assert behind not in researcher.get(page).content.decode()
    post(researcher, reverse("plan-step", args=[draft.pk, "size"]), payment="3")
    assert behind in researcher.get(page).content.decode()
    second = made(researcher, draft)
    assert behind not in researcher.get(page).content.decode()
    assert not Study.objects.filter(pk=first.pk).exists()
    assert (second.version, second.ratings_per_item) == (1, 5)
    place = [second.slug, second.version]
    edit = researcher.post(reverse("edit-study", args=place))
    assert edit.headers["Location"] == reverse("plan-review", args=[draft.pk])
    lifecycle.freeze(second)
    refused = researcher.post(reverse("plan-review", args=[draft.pk]), follow=True)
    assert "is frozen: an edit needs a new version" in refused.content.decode()
    researcher.post(reverse("edit-study", args=place))
    following = StudyDraft.objects.latest("pk")
    assert following.pk != draft.pk
    assert following.study is None
    third = made(researcher, following)
    assert (third.slug, third.version, third.ratings_per_item) == (second.slug, 2, 5)
    second.refresh_from_db()
    assert lifecycle.design_hash(second) == second.design_hash


def test_what_is_answered_while_a_worker_makes_the_draft_is_kept(
    researcher: Client, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = begun(run)
    create = lifecycle.create_study

    def meanwhile(**given: Any) -> Study:
        drafts.answer(draft=draft, step="texts", given={"title": "Said meanwhile"})
        return create(**given)

    monkeypatch.setattr(lifecycle, "create_study", meanwhile)
    study = made(researcher, draft)
    assert (study.title, draft.answers["title"]) == (setting("title").default, "Said meanwhile")
    assert draft.answers["slug"] == study.slug


def test_a_study_that_cannot_be_made_reports_why_and_leaves_nothing(
    researcher: Client, run: Run
) -> None:
    draft = begun(run)
    run.clips.update(path="nowhere.flac")
    researcher.post(reverse("plan-review", args=[draft.pk]))
    tasks.work(Job.objects.get().pk)
    page = researcher.get(reverse("plan-review", args=[draft.pk])).content.decode()
    assert "The study could not be built: clip" in page
    assert not Study.objects.exists()


def test_power_is_estimated_by_a_worker_for_the_numbers_on_the_page(
    researcher: Client, run: Run
) -> None:
    draft = begun(run)
    address = reverse("plan-power", args=[draft.pk])
    given = shown(researcher.get(reverse("plan-step", args=[draft.pk, "size"])))
    asked = given | {"ratings_per_item": 10, "effect": 0.8}
    assert "Estimating the power" in researcher.post(address, asked).content.decode()
    researcher.post(address, asked)
    [job] = Job.objects.filter(kind=power.KIND)
    tasks.work(job.pk)
    page = researcher.post(address, asked).content.decode()
    assert "<dt>Power</dt>" in page
    draft.refresh_from_db()
    assert draft.power["asked"] == {
        "participants": 12, "trials": 10, "within": False, "ratings": 10, "effect": 0.8,
        "features": 12, "comparisons": 1,
    }  # fmt: skip
    assert 0 < draft.power["found"]["power"] <= 1
    assert floatformat(draft.power["found"]["power"], 2) in page
    assert "For 80 % power" in page
    wrong = researcher.post(address, asked | {"ratings_per_item": "0"}).content.decode()
    assert "Ratings per item: Ensure this value is greater than or equal to 1." in wrong


def test_a_plan_says_what_it_asks_costs_and_reaches(researcher: Client, run: Run) -> None:
    draft = begun(run)
    answers = answered(draft) | {"methods": ["a", "b", "c"], "payment": "3.00"}
    assert power.comparisons(answers | {"comparisons": None}) == 3
    assert power.comparisons(answers | {"comparisons": [["a", "b"]]}) == 1
    # Three sounds of a second and 20 s to answer: 14 trials; 60 + 10 + 45 + 100 + 60 + 60 s more.
    assert minutes_of(answers | {"headphone_check": "either"}) == 11
    priced = price_of(36, answers=answers, minutes=12)
    assert (priced.total, priced.per_hour) == ("108.00 EUR", "15.00 EUR")
    asked = power.question(answers | {"features_wanted": 40, "effect": 0.9})
    drafts.StudyDraft.objects.update(
        power={
            "asked": asked,
            "found": {"power": 0.5, "comparisons": 3, "participants": 12},
            "needed": {"by_ratings": None, "by_features": {"participants": 20, "features": 60}},
        }
    )
    draft.refresh_from_db()
    estimate = power.request(draft=draft, answers=answers | {"features_wanted": 40, "effect": 0.9})
    assert estimate.needed is not None
    assert estimate.found == {"power": 0.5, "comparisons": 3, "participants": 12}


def test_numbers_that_change_during_an_estimate_are_estimated_again(
    researcher: Client, run: Run
) -> None:
    draft = begun(run)
    answers = answered(draft)
    power.request(draft=draft, answers=answers | {"effect": 0.3})
    lease = jobs.claim(Job.objects.get().pk)
    assert lease is not None
    draft.refresh_from_db()
    stale = StudyDraft.objects.get()
    assert power.request(draft=draft, answers=answers | {"effect": 0.9}).moving
    power.estimate(draft=stale, lease=lease)
    draft.refresh_from_db()
    assert draft.power == {"asked": power.question(answers | {"effect": 0.9})}


def test_within_participants_all_rate_both_methods(run: Run) -> None:
    answers = answered(begun(run)) | {
        "methods": ["descriptors", "corpus-tags"], "design": "within",
        "features_wanted": 50, "ratings_per_item": 4, "trials_per_participation": 10,
    }  # fmt: skip
    asked = power.question(answers)
    assert (asked["within"], asked["participants"], asked["trials"]) == (True, 40, 5)
    assert asked["participants"] * asked["trials"] == 50 * 4


def test_one_method_has_nothing_to_compare(researcher: Client, run: Run) -> None:
    draft = begun(run)
    answers = answered(draft) | {"methods": ["descriptors"]}
    assert "nothing to compare" in power.request(draft=draft, answers=answers).problem
    huge = answered(draft) | {"features_wanted": 9000, "ratings_per_item": 900}
    assert "are not simulated here" in power.request(draft=draft, answers=huge).problem


def test_a_draft_is_only_for_its_maker_and_its_projects_editors(client: Client, run: Run) -> None:
    owner = User.objects.create_user("owner")
    project = projects.make(name="p", owner=owner)
    Run.objects.update(project=project)
    client.force_login(owner)
    draft = hurry(client)
    assert draft.project == Project.objects.get()
    study = made(client, draft)
    assert study.project == draft.project
    client.force_login(User.objects.create_user("stranger"))
    assert client.get(reverse("new-study")).status_code == 403
    for name in ("plan-review", "plan-discard", "plan-power"):
        assert client.post(reverse(name, args=[draft.pk])).status_code == 404
    assert client.get(reverse("plan-step", args=[draft.pk, "size"])).status_code == 404
    assert client.post(reverse("edit-study", args=[study.slug, 1])).status_code == 404
    assert AuditRecord.objects.filter(action="had made").count() == 1


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
