"""The size of a plan: its power, which a worker estimates, its minutes and its price."""

from __future__ import annotations

import pytest
from django.template.defaultfilters import floatformat
from django.test import Client
from django.urls import reverse

from studyapp.jobs import tasks
from studyapp.jobs.services import jobs
from studyapp.models import Job, Run, StudyDraft
from studyapp.wizard.services import drafts, power
from studyapp.wizard.services.answers import answered, participants
from studyapp.wizard.services.price import minutes_of, price_of
from tests.studyapp import factories
from tests.studyapp.wizard.walk import begun, shown

pytestmark = pytest.mark.django_db


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


def test_only_a_search_that_was_made_says_that_no_number_of_ratings_is_enough(
    researcher: Client, run: Run
) -> None:
    draft = begun(run)
    address = reverse("plan-power", args=[draft.pk])
    given = shown(researcher.get(reverse("plan-step", args=[draft.pk, "size"])))
    researcher.post(address, given)
    asked = StudyDraft.objects.get().power["asked"]
    for needed, told in (({}, False), ({"by_ratings": None, "by_features": None}, True)):
        StudyDraft.objects.update(
            power={"asked": asked, "found": {"power": 0.5, "comparisons": 1}, "needed": needed}
        )
        page = researcher.post(address, given).content.decode()
        assert ("no number of ratings reaches it" in page) is told
        assert ("For 80 % power" in page) is told


def test_pairs_have_the_power_to_find_a_share(researcher: Client, run: Run) -> None:
    factories.make_steered(list(run.features.all()), seeds=4)
    draft = begun(run)
    sides = ["add@1/plain", "add@2/plain", "add@1/random-direction@1"]
    post = {
        "option_policy": "pair",
        "may_choose_none": "on",
        "contrasts": sides,
        "design": "within",
    }
    page = reverse("plan-step", args=[draft.pk, "trials"])
    researcher.post(page, shown(researcher.get(page)) | post)
    given = shown(researcher.get(reverse("plan-step", args=[draft.pk, "size"])))
    assert "effect" not in given
    address = reverse("plan-power", args=[draft.pk])
    asked = given | {"ratings_per_item": 5, "steered_share": 75}
    researcher.post(address, asked)
    draft.refresh_from_db()
    found = draft.power["asked"]
    answers = answered(draft) | {"ratings_per_item": 5}
    assert found["listeners"] == participants(answers)
    assert (found["share"], found["ties"], found["doses"]) == (0.75, power.TIES, [1.0, 2.0])
    # Two contrasts are against the unsteered clip; with the one against a random direction there
    # are two kinds.
    assert (found["contrasts"], found["comparisons"]) == (2, 2)
    assert found["trials"] == round(found["features"] * 5 * 2 / found["listeners"])
    tasks.work(Job.objects.get(kind=power.KIND).pk)
    draft.refresh_from_db()
    assert 0 < draft.power["found"]["power"] <= 1
    assert set(draft.power["needed"]) == {"by_ratings", "by_features"}
    text = researcher.post(address, asked).content.decode()
    assert "the steered sound is not chosen as often" in text
    assert "2 kinds with Holm" in text
