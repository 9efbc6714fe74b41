"""People who took part elsewhere are kept out; Mechanical Turk's frame leads in, takes a code."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from studyapp.core.errors import StudyError
from studyapp.models import ListedPerson, PersonList, Project
from studyapp.recruitment.services import configuration, person_lists
from studyapp.recruitment.services.configuration import OtherService
from tests.studyapp.factories import make_study

pytestmark = pytest.mark.django_db
OTHER = OtherService(service_name="MTurk", person_parameter="workerId",
                     session_parameter="assignmentId")  # fmt: skip


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a1\nb2\n", ["a1", "b2"]),
        ("participant_id,age\r\na1,30\r\n\r\nb2,31", ["a1", "b2"]),
        ("Participant id\na1", ["a1"]),
    ],
)
def test_identifiers_are_read_one_per_line_or_from_the_first_column(
    text: str, found: list[str]
) -> None:
    assert person_lists.identifiers_in(text) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no identifier"),
        ("a1\n{{%PID%}}", "line 2 is no identifier"),
        ("{{%PID%}}\na1", "line 1 is no identifier"),
        ("Participant id\n\n{{%PID%}}", "line 3 is no identifier"),
        pytest.param("a1\n" + "x" * 200_000, "line 2 (cannot be read|is no identifier)", id="long"),
    ],
)
def test_what_is_no_list_is_refused(text: str, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        person_lists.identifiers_in(text)


def test_who_is_on_a_list_cannot_begin_and_the_next_version_keeps_it(
    client: Client, tmp_path: Path
) -> None:
    study = make_study()
    configuration.configure(study=study, service="other", other=OTHER)
    file = tmp_path / "before.csv"
    file.write_text("workerId\nA1\nA2\n", encoding="utf-8")
    said = StringIO()
    call_command("participant_list", study.slug, "before", str(file), stdout=said)
    assert "before: 2 added, 2 in all" in said.getvalue()
    call_command("participant_list", study.slug, "before", str(file), stdout=said)
    assert "0 added, 2 in all" in said.getvalue()
    assert "A1" not in str(ListedPerson.objects.values_list())
    link = f"/s/{study.slug}/"
    assert client.get(link, {"workerId": "A1", "assignmentId": "x"}).status_code == 403
    assert client.get(link, {"workerId": "A3", "assignmentId": "y"}).status_code == 302


def test_a_missing_file_and_another_projects_list_are_refused(tmp_path: Path) -> None:
    study = make_study()
    with pytest.raises(CommandError, match=r"none\.csv"):
        call_command("participant_list", study.slug, "before", str(tmp_path / "none.csv"))
    theirs = PersonList.objects.create(project=Project.objects.create(name="B"), name="before")
    with pytest.raises(StudyError, match="belongs to another project"):
        configuration.keep_out(study=study, people=theirs)


def test_the_page_adds_people_and_says_how_many(admin_client: Client) -> None:
    study = make_study()
    page = f"/studies/{study.slug}/1/recruitment/"
    data = {"name": "before", "people": "A1\nA2"}
    told = admin_client.post(f"{page}people", data, follow=True).text
    assert "2 people were added to before" in told
    assert "before (2 people)" in told
    refused = admin_client.post(f"{page}people", data | {"people": "{x}\n{y}"}, follow=True).text
    assert "line 1 is no identifier" in refused


def test_mturks_frame_leads_to_the_study_and_takes_the_code(client: Client) -> None:
    study = make_study()
    page = f"/s/{study.slug}/mturk"
    given = {
        "assignmentId": "3AB", "hitId": "H", "workerId": "A1",
        "turkSubmitTo": "https://workersandbox.mturk.com",
    }  # fmt: skip
    assert client.get(page, given).status_code == 404
    configuration.configure(study=study, service="other", other=OTHER)
    shown = client.get(page, given)
    assert f'href="/s/{study.slug}/?workerId=A1&amp;assignmentId=3AB"' in shown.text
    assert 'action="https://workersandbox.mturk.com/mturk/externalSubmit"' in shown.text
    assert "X-Frame-Options" not in shown.headers
    assert "frame-ancestors https://*.mturk.com" in shown.headers["Content-Security-Policy"]
    assert client.get(page, given | {"turkSubmitTo": "https://evil.example"}).status_code == 404
    preview = client.get(page, given | {"assignmentId": "ASSIGNMENT_ID_NOT_AVAILABLE"})
    assert "accept the task first" in preview.text
    assert "externalSubmit" not in preview.text
