"""A participants' link belongs to one project, with every version, token and identity under it."""

from __future__ import annotations

import threading

import pytest
from django.db import IntegrityError, connection, transaction

from studyapp.core.errors import StudyError
from studyapp.models import Project, Run, Study, StudySeries
from studyapp.studies.services import lifecycle, series
from studyapp.wizard.services import answers, drafts
from tests.studyapp.factories import METHODS, make_features, make_run, make_study

HANDS = 8
TAKEN = "^there is already a study with that link$"


@pytest.fixture
def ours() -> Project:
    return Project.objects.create(name="Ours")


@pytest.fixture
def theirs() -> Project:
    return Project.objects.create(name="Theirs")


@pytest.mark.django_db
@pytest.mark.parametrize("slug", ["hearing", "Hearing"])
def test_a_link_of_another_project_is_refused(ours: Project, theirs: Project, slug: str) -> None:
    first = make_study(slug="hearing", project=ours)
    with pytest.raises(StudyError, match=TAKEN):
        make_study(slug=slug, project=theirs)
    with pytest.raises(StudyError, match=TAKEN):
        make_study(slug=slug)  # The command line's, which has no project.
    again = make_study(slug="hearing", project=ours, state=Study.State.FROZEN)
    assert (again.version, again.series) == (2, first.series)


@pytest.mark.django_db
def test_the_steps_say_so_before_anything_is_made(ours: Project, theirs: Project) -> None:
    make_study(slug="hearing", project=theirs)
    run = make_run()
    make_features(run)
    Run.objects.filter(pk=run.pk).update(project=ours)
    draft = drafts.begin(created_by=None, run=run)
    draft.answers |= {"slug": "hearing", "methods": list(METHODS), "features_wanted": 6,
                     "trials_per_participation": 3}  # fmt: skip
    draft.save()
    found = drafts.problem(draft, answers.answered(draft))
    assert found == "there is already a study with that link"


@pytest.mark.django_db
def test_capitals_do_not_make_another_link(ours: Project) -> None:
    make_study(slug="hearing", project=ours)
    with pytest.raises(StudyError, match=r"with that link, written hearing$"):
        make_study(slug="Hearing", project=ours)
    with pytest.raises(IntegrityError, match="one_series_per_slug"), transaction.atomic():
        StudySeries.objects.create(slug="HEARING")


@pytest.mark.django_db
@pytest.mark.parametrize("slug", ["preview-0123", "Preview-x"])
def test_links_of_previews_are_reserved(slug: str) -> None:
    with pytest.raises(StudyError, match="are reserved for previews"):
        make_study(slug=slug)


@pytest.mark.django_db
def test_a_discarded_draft_gives_its_link_back(ours: Project, theirs: Project) -> None:
    kept = make_study(slug="kept", project=ours)
    for slug in ("tried", "kept"):
        lifecycle.discard(make_study(slug=slug, project=ours, state=Study.State.DRAFT))
    assert list(StudySeries.objects.all()) == [kept.series]
    assert make_study(slug="tried", project=theirs).version == 1


@pytest.mark.django_db(transaction=True)
def test_of_projects_that_ask_at_once_one_gets_the_link() -> None:
    owners = [Project.objects.create(name=f"Project {number}") for number in range(HANDS)]
    barrier, won, refused = threading.Barrier(HANDS), [], []

    def claim(project: Project) -> None:
        try:
            barrier.wait()
            with transaction.atomic():
                series.claim(slug="hearing" if project.pk % 2 else "HEARING", project=project)
            won.append(project)
        except StudyError as error:
            refused.append(str(error))
        finally:
            connection.close()

    hands = [threading.Thread(target=claim, args=(one,)) for one in owners]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    assert [one.project for one in StudySeries.objects.all()] == won
    assert refused == ["there is already a study with that link"] * (HANDS - 1)
