"""Another service than Prolific, known by its addresses only; and people who took part before."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from studyapp.core.errors import StudyError
from studyapp.models import Participation, Project, Recruitment, Study, StudySeries
from studyapp.participation.services.withdrawal import withdraw
from studyapp.recruitment.services import configuration
from studyapp.recruitment.services.configuration import OtherService
from studyapp.studies.services import lifecycle
from tests.studyapp import passages
from tests.studyapp.factories import make_study

pytestmark = pytest.mark.django_db
SONA = OtherService(
    "SONA", "survey_code", "", "https://x.sona.example/credit?id=1&who={person}&c={code}&e={ending}"
)
BACK = "https://x.sona.example/credit?id=1&amp;who=A%26B7&amp;c="


def at_sona(**options: Any) -> Study:
    cache.clear()
    study = make_study(features=3, trials_per_participation=3, **options)
    configuration.configure(study=study, service="other", other=SONA)
    return study


def test_a_link_with_its_own_parameter_leads_back_with_what_it_had() -> None:
    study, client = at_sona(), Client()
    someone = passages.reach_trials(client, study, survey_code="A&B7")
    assert someone.person_key
    assert "A&B7" not in str(Participation.objects.values().get())
    passages.finish(client, study, someone)
    someone.refresh_from_db()
    page = client.get(f"/s/{study.slug}/thanks/").content.decode()
    assert f'href="{BACK}{someone.completion_code}&amp;e=complete"' in page
    assert "Return to SONA" in page
    assert "Prolific" not in page
    # Another browser knows the person by the link, which resumes there; without it, only the code.
    assert "Return to SONA" in Client().get(
        f"/s/{study.slug}/", {"survey_code": "A&B7"}, follow=True
    ).content.decode()  # fmt: skip
    client.cookies.pop("origin")
    page = client.get(f"/s/{study.slug}/thanks/").content.decode()
    assert someone.completion_code in page
    assert "Return to SONA" not in page


def test_every_other_ending_has_its_way_back_too() -> None:
    study = at_sona(codes={"full": "FULL1234"})
    refusing = Client()
    passages.enter(refusing, study, survey_code="A&B7")
    refusing.post(f"/s/{study.slug}/consent/", {"decision": "refuse"})
    page = refusing.get(f"/s/{study.slug}/ended/").content.decode()
    assert "&amp;e=no_consent" in page
    for name in ("a", "b"):
        passages.reach_trials(Client(), study, survey_code=name)
    page = Client().get(f"/s/{study.slug}/", {"survey_code": "A&B7c"}, follow=True).content.decode()
    assert "who=A%26B7c&amp;c=FULL1234&amp;e=full" in page
    assert "Return to SONA" not in Client().get(f"/s/{study.slug}/", follow=True).content.decode()


@pytest.mark.parametrize(
    ("other", "line"),
    [
        (OtherService("S", "t"), "but not lang or simulated or t"),
        (OtherService("S", "a b"), "a name of letters"),
        (OtherService("S", "a", "a"), "cannot have the same parameter"),
        (OtherService("", "a"), "give the service's name"),
        (OtherService("S", "a", "", "javascript:alert(1)"), "an address such as https"),
        (OtherService("S", "a", "", "https://{person}.example/"), "an address such as https"),
        (OtherService("S", "a", "", "https://[x/{person}"), "an address such as https"),
        (OtherService("S", "a", "", "https://x.example/{pid}"), "not {pid}"),
        (OtherService("S", "a", "", "https://x.example/{code"), "the way back can have"),
    ],
)
def test_what_cannot_be_followed_is_refused(other: OtherService, line: str) -> None:
    with pytest.raises(StudyError, match=line):
        configuration.configure(study=make_study(), service="other", other=other)
    assert not Recruitment.objects.exists()


def test_whoever_took_part_in_an_excluded_study_cannot_begin_this_one() -> None:
    earlier, study = at_sona(), at_sona(slug="second")
    configuration.configure(study=study, service="other", excluded=[earlier.series])
    withdrawn = passages.reach_trials(Client(), earlier, survey_code="ann")
    withdraw(participation=withdrawn)
    passages.enter(Client(), earlier, survey_code="ben")  # He only saw the consent page.

    def page(name: str) -> str:
        found = Client().get(f"/s/{study.slug}/", {"survey_code": name}, follow=True)
        return passages.page_of(found)

    assert [page(name) for name in ("ann", "ben", "cleo")] == [
        "took_part_before", "consent", "consent",
    ]  # fmt: skip
    assert study.participations.count() == 2


def test_the_next_version_keeps_the_service_and_only_the_projects_studies_are_offered(
    researcher: Client,
) -> None:
    study = at_sona()
    project = Project.objects.create(name="Ours")
    Study.objects.update(project=project)
    StudySeries.objects.update(project=project)
    mine = StudySeries.objects.create(slug="mine", project=project)
    theirs = StudySeries.objects.create(slug="theirs", project=Project.objects.create(name="B"))
    boss = Client()
    boss.force_login(User.objects.create_superuser("boss2", password="x"))
    place = [study.slug, study.version]
    shown = boss.get(reverse("recruitment", args=place)).content.decode()
    assert "?survey_code=…" in shown
    given = {"entry": "link", "service": "other", "service_name": "SONA"}
    for chosen, kept in ((theirs, []), (mine, [mine])):
        boss.post(reverse("recruitment-settings", args=place), given | {"excluded": chosen.pk})
        assert list(study.recruitment.excluded.all()) == kept
    lifecycle.close(study)
    again = make_study(slug=study.slug, features=3, trials_per_participation=3, project=project)
    row = configuration.configure(study=again, service="other")
    assert (row.service_name, list(row.excluded.all())) == ("SONA", [mine])
