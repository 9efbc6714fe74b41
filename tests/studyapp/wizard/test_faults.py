"""What the wizard refuses or warns of, and where it says so."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from studyapp.jobs import tasks
from studyapp.models import Job, Run, Study
from studyapp.studies.services import lifecycle
from studyapp.wizard.services import drafts
from tests.studyapp.wizard.walk import WORDING, begun, made, post

pytestmark = pytest.mark.django_db


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
