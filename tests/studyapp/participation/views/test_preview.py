"""A preview: the participants' own pages, closed to everyone else, counted nowhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from studyapp import exports, worker
from studyapp.exports import selectors as export_selectors
from studyapp.hosting import metrics
from studyapp.jobs.services import jobs
from studyapp.models import Participation, Response, Stimulus, Study
from studyapp.models.steps import all_steps
from studyapp.participation.selectors import participations as participation_selectors
from studyapp.participation.services import preview
from studyapp.studies.selectors import progress
from studyapp.studies.services import lifecycle
from tests.studyapp import passages
from tests.studyapp.factories import METHODS, make_features, make_run, make_study

pytestmark = pytest.mark.django_db
BANNER = '<p class="preview-banner">Preview: nothing counts</p>'
OPAQUE = re.compile(r"[\w-]{20,}")


@pytest.fixture
def study() -> Study:
    """A draft with every step, of very short sounds."""
    run = make_run(seconds=0.3, clips=4)
    make_features(run, count=2, exemplars=4)
    return make_study(
        run=run, state=Study.State.DRAFT, features=2, trials_per_participation=2, catch_trials=1,
        repeat_trials=1, steps=all_steps(), headphone_check="huggins", practice_trials=1,
        title="What do you hear?", slug="the-study",
    )  # fmt: skip


def begin(researcher: Client, study: Study, **asked: str) -> tuple[str, Participation]:
    """The URL that a preview redirects to, and its participation."""
    answer = researcher.post(reverse("preview-study", args=[study.slug, study.version]), asked)
    return answer.headers["Location"], Participation.objects.latest("pk")


def test_a_preview_shows_no_code_that_is_worth_money(researcher: Client) -> None:
    study = make_study(codes={"complete": "REAL1234"}, state=Study.State.FROZEN)
    address, begun = begin(researcher, study, step="thanks")
    page = researcher.get(address).content.decode()
    assert begun.completion_code in page
    assert "REAL1234" not in page


def test_every_page_of_a_preview_says_that_nothing_counts(researcher: Client, study: Study) -> None:
    for step in ("consent", "trial", "thanks"):
        address, _ = begin(researcher, study, step=step)
        assert "Preview: nothing counts" in researcher.get(address).content.decode()
    real = make_study()
    page = Client().get(reverse("start", args=[real.slug]), follow=True).content.decode()
    assert "Preview" not in page


def test_the_time_left_of_a_preview_counts_all_that_follows(
    researcher: Client, study: Study
) -> None:
    Study.objects.update(trials_per_participation=2, repeat_trials=1)
    Stimulus.objects.update(seconds=20.0)
    address, _ = begin(researcher, study, step="trial")
    page = researcher.get(address)
    # Four trials of three sounds of 20 s and 20 s to answer, then the questions.
    assert page.context["passage"].minutes_left == 7


def test_a_whole_passage_counts_nowhere(researcher: Client, study: Study) -> None:
    address, begun = begin(researcher, study)
    copy = begun.study
    assert address == f"/s/{copy.slug}/consent/"
    someone = passages.reach(researcher, copy, "questionnaire")
    assert someone == begun
    passages.finish(researcher, copy, begun)
    assert begun.completion_code
    assert Response.objects.count() == 5
    assert list(Study.objects.all()) == [study]
    assert not study.participations.exists()
    assert list(export_selectors.responses(study)) == []
    assert (metrics.responses(), metrics.participations()) == (0, {})
    assert sum(cells.ratings for cells in progress.cells_of(study)) == 0
    with pytest.raises(exports.ExportError):
        exports.study_named(copy.slug)
    assert copy.slug not in researcher.get(reverse("home")).content.decode()
    assert researcher.get(reverse("study", args=[copy.slug, 1])).status_code == 404


def test_preview_pages_are_those_of_a_participant(researcher: Client, study: Study) -> None:
    pages: list[dict[str, str]] = []
    _, begun = begin(researcher, study)
    lifecycle.open_study(lifecycle.freeze(study))
    for client, own in ((researcher, begun.study), (Client(), study)):
        someone = begun if own != study else passages.enter(client, study)
        shown = {}
        for step in all_steps():
            page = client.get(f"/s/{own.slug}/{step}/").content.decode()
            assert (BANNER in page) is (own != study)
            shown[step] = OPAQUE.sub("", page.replace(own.slug, "SLUG").replace(BANNER, ""))
            someone.refresh_from_db()
            if step == "trial":
                break
            while participation_selectors.step_of(someone) == step:
                passages.pass_step(client, own, someone, step)
                someone.refresh_from_db()
        pages.append(shown)
    for step in ("consent", "device", "volume", "headphones", "instructions"):
        assert pages[0][step] == pages[1][step], step
    for shown in pages:
        assert 'data-page="trial"' in shown["trial"]
        for secret in (*METHODS, "layer2-n64-k4", "feature:", "preview"):
            assert secret not in shown["trial"]


def test_nobody_else_gets_in(researcher: Client, study: Study) -> None:
    _, begun = begin(researcher, study)
    stranger = Client()
    assert stranger.get(f"/s/{begun.study.slug}/").status_code == 403
    assert stranger.get(f"/s/{begun.study.slug}/consent/").status_code == 403
    assert Participation.objects.count() == 1
    answer = stranger.post(reverse("preview-study", args=[study.slug, 1]))
    assert answer.headers["Location"].startswith("/login/")
    stranger.force_login(User.objects.create_user("eve"))
    assert stranger.post(reverse("preview-study", args=[study.slug, 1])).status_code == 404


@pytest.mark.parametrize("step", [*all_steps(), "thanks"])
def test_a_preview_begins_at_any_step(researcher: Client, study: Study, step: str) -> None:
    address, begun = begin(researcher, study, step=step)
    assert address == f"/s/{begun.study.slug}/{step}/"
    assert f'data-page="{step}"' in researcher.get(address).content.decode()


def test_a_step_that_the_study_does_not_have(researcher: Client, study: Study) -> None:
    answer = researcher.post(
        reverse("preview-study", args=[study.slug, 1]), {"step": "dance"}, follow=True
    )
    assert "has no step &#x27;dance&#x27;" in answer.content.decode()


def test_a_preview_is_deleted_with_the_next_with_its_draft_and_after_a_day(
    researcher: Client, study: Study
) -> None:
    _, first = begin(researcher, study)
    other = preview.begin(study=study, created_by=User.objects.create_user("eve"))
    _, second = begin(researcher, study)
    assert set(Participation.objects.all()) == {other, second}
    Study.with_previews.filter(pk=other.study_id).update(
        created_at=timezone.now() - timedelta(hours=25)
    )
    _, third = begin(researcher, study)
    assert list(Participation.objects.all()) == [third]
    passages.reach(researcher, third.study, "trial")
    lifecycle.discard(study)
    assert not Study.with_previews.exists()
    assert not Participation.objects.exists()
    assert first.pk != third.pk


def test_a_worker_deletes_the_previews_of_a_day_ago(
    researcher: Client, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, old = begin(researcher, study)
    young = preview.begin(study=study, created_by=User.objects.create_user("eve"))
    yesterday = timezone.now() - timedelta(hours=25)
    Study.with_previews.filter(pk__in=[study.pk, old.study_id]).update(created_at=yesterday)
    sweeps: list[Callable[[], object]] = []
    monkeypatch.setattr(jobs, "start_sweeper", lambda *others: sweeps.extend(others))
    worker.start_sweeping()
    for sweep in sweeps:
        sweep()
    assert list(Participation.objects.all()) == [young]
    assert set(Study.with_previews.all()) == {study, young.study}


def test_a_preview_can_be_withdrawn_from_and_read_in_another_language(
    researcher: Client, study: Study
) -> None:
    languages = {"languages": ["en", "de"], "texts": {"de": {"title": "Was hören Sie?"}}}
    Study.objects.filter(pk=study.pk).update(**languages)
    address, begun = begin(researcher, study, step="trial", language="de")
    assert 'lang="de"' in researcher.get(address).content.decode()
    researcher.post(f"/s/{begun.study.slug}/withdraw/")
    begun.refresh_from_db()
    assert begun.status == Participation.Status.WITHDRAWN
    assert not begun.trials.exists()
