"""Drafts: built again, copied for a next version, and whose they are."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from studyapp.accounts.services import projects
from studyapp.models import AuditRecord, Project, Run, Study, StudyDraft
from studyapp.studies.services import lifecycle
from studyapp.studies.settings import setting
from studyapp.wizard.services import drafts
from tests.studyapp import factories
from tests.studyapp.wizard.walk import assert_copied, begun, hurry, made, post

pytestmark = pytest.mark.django_db


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


@pytest.mark.parametrize(
    "plan",
    [
        {},
        {"comparisons": []},
        {"confirmatory": ["superiority_ratings"], "seed": 5},
        {"looks": {"fractions": [0.33, 0.67, 1], "spending": "obrien-fleming"}},
        {"looks": {"fractions": [0.5, 1], "spending": "pocock", "participants": 40}},
        {"looks": {"fractions": [0.33, 0.67, 1], "participants": 40}},
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
