"""Who comes from Prolific, who is let in, and how each is sent back."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from studyapp import exports
from studyapp.core.errors import StudyError
from studyapp.models import Participation, Recruitment, Study
from studyapp.models.steps import all_steps
from studyapp.recruitment.services import configuration, prolific
from studyapp.studies.services import lifecycle
from tests.studyapp import passages
from tests.studyapp.factories import make_study
from tests.studyapp.recruitment.prolific.people import (
    CODES,
    arrive,
    entered,
    link,
    pid,
    returned,
    send,
)
from tests.studyapp.recruitment.prolific_server import Prolific

pytestmark = pytest.mark.django_db
SUBMISSIONS = 'href="https://app.prolific.com/submissions"'


def test_a_link_of_another_study_is_refused(service: Prolific, study: Study) -> None:
    answer = Client().get(f"/s/{study.slug}/", link("ann") | {"STUDY_ID": "another"})
    assert (answer.status_code, passages.page_of(answer)) == (403, "uninvited")


def test_endings_have_the_studys_codes_and_lead_back(service: Prolific, study: Study) -> None:
    client = Client()
    done = arrive(study, "ann", client, service)
    passages.finish(client, study, done)
    page = client.get(f"/s/{study.slug}/thanks/").content.decode()
    assert 'href="https://app.prolific.com/submissions/complete?cc=DONE1234"' in page
    other = Client()
    service.submit(pid("ben"), "s-ben", "ACTIVE")
    passages.enter(other, study, **link("ben"))
    other.post(f"/s/{study.slug}/consent/", {"decision": "refuse"})
    page = other.get(f"/s/{study.slug}/ended/").content.decode()
    assert 'href="https://app.prolific.com/submissions/complete?cc=NO123456"' in page


@pytest.mark.parametrize("state", ["full", "paused", "closed"])
def test_a_visitor_who_cannot_begin_is_sent_back_to_return_the_submission(
    service: Prolific, study: Study, state: str
) -> None:
    if state == "full":
        for name in ("ann", "ben"):
            arrive(study, name, service=service)
    else:
        getattr(lifecycle, state.removesuffix("d"))(study)
    service.submit(pid("cleo"), "s-cleo", "ACTIVE")
    page = Client().get(f"/s/{study.slug}/", link("cleo"), follow=True)
    assert passages.page_of(page) == state
    assert "please return your submission there now" in page.content.decode()
    assert SUBMISSIONS in page.content.decode()
    page = Client().get(f"/s/{study.slug}/", follow=True)
    assert passages.page_of(page) == state
    assert "Prolific" not in page.content.decode()


def test_full_closed_and_timed_out_lead_back_with_their_codes_if_they_have_any(
    service: Prolific,
) -> None:
    codes = CODES | {"full": "FULL1234", "closed": "SHUT1234", "timed_out": "TIME1234"}
    study = make_study(features=3, trials_per_participation=3, codes=codes)
    configuration.configure(study=study, service="prolific", external_study="their-study")
    midway, slow = Client(), Client()
    arrive(study, "ann", midway, service)
    arrive(study, "ben", slow, service)
    send(returned("ben", "TIMED-OUT"))
    arrive(study, "dora", service=service)
    service.submit(pid("cleo"), "s-cleo", "ACTIVE")
    visitor = Client().get(f"/s/{study.slug}/", link("cleo"), follow=True)
    pages = [visitor.content.decode(), slow.get(f"/s/{study.slug}/ended/").content.decode()]
    lifecycle.close(study)
    pages.append(midway.get(f"/s/{study.slug}/ended/").content.decode())
    for page, code in zip(pages, ("FULL1234", "TIME1234", "SHUT1234"), strict=True):
        address = f"https://app.prolific.com/submissions/complete?cc={code}"
        assert f'href="{address}"' in page
        assert f'data-leave="{address}" data-seconds="15"' in page
        assert "You came through Prolific" not in page
    plain = Client().get(f"/s/{study.slug}/", follow=True).content.decode()
    assert "SHUT1234" not in plain


def test_the_place_that_is_gone_at_consent_is_told_there_too(
    service: Prolific, study: Study
) -> None:
    late = Client()
    service.submit(pid("cleo"), "s-cleo", "ACTIVE")
    passages.enter(late, study, **link("cleo"))
    for name in ("ann", "ben"):
        arrive(study, name, service=service)
    page = late.post(f"/s/{study.slug}/consent/", {"decision": "agree"})
    assert passages.page_of(page) == "full"
    assert SUBMISSIONS in page.content.decode()


def test_someone_stopped_midway_is_told_what_to_do(service: Prolific, study: Study) -> None:
    client, other, plain = Client(), Client(), Client()
    arrive(study, "ann", client, service)
    arrive(study, "ben", other, service)
    send(returned("ben", "TIMED-OUT"))
    passages.reach_trials(plain, study)
    lifecycle.close(study)
    for someone, kind in ((client, "closed_midway"), (other, "timed_out")):
        page = someone.get(f"/s/{study.slug}/ended/").content.decode()
        assert f'data-page="{kind}"' in page
        assert "decide on a payment for the time you spent" in page
        assert SUBMISSIONS in page
    page = plain.get(f"/s/{study.slug}/ended/").content.decode()
    assert "It ended while you were taking part" in page
    assert "Prolific" not in page


@pytest.mark.parametrize(
    ("options", "needed"),
    [
        ({}, "complete, no_consent"),
        ({"codes": {"complete": "A"}}, "no_consent"),
        ({"steps": all_steps(), "codes": CODES}, "incompatible_device"),
        ({"steps": all_steps(), "codes": CODES | {"incompatible_device": "B"},
          "headphones_required": True}, "screened_out"),
    ],
)  # fmt: skip
def test_prolific_is_refused_without_the_codes_that_its_participants_can_need(
    options: dict[str, Any], needed: str
) -> None:
    study = make_study(state=Study.State.DRAFT, **options)
    with pytest.raises(StudyError, match=f"there is none for {needed}: "):
        configuration.configure(study=study, service="prolific")
    Recruitment.objects.create(study=study, service="prolific")
    with pytest.raises(StudyError, match=f"there is none for {needed}: "):
        lifecycle.freeze(study)
    assert Study.objects.get().state == Study.State.DRAFT
    study.recruitment.delete()
    lifecycle.freeze(Study.objects.get())
    # It can be given no codes any more.
    configuration.configure(study=Study.objects.get(), service="prolific")


def test_the_administration_asks_for_the_codes_too(researcher: Client) -> None:
    study = make_study(state=Study.State.DRAFT)
    page = researcher.post(
        reverse("admin:studyapp_recruitment_add"),
        {"study": study.pk, "entry": "link", "service": "prolific"}, follow=True,
    )  # fmt: skip
    assert "Not saved: Prolific needs completion codes" in page.content.decode()
    assert not Recruitment.objects.exists()


BROKEN = (
    "{{%PROLIFIC_PID%}}", "${PROLIFIC_PID}", "%PROLIFIC_PID%", "[[PROLIFIC_PID]]", "<id>", "",
    "*|PID|*", "__PROLIFIC_PID__", "#PID#", "(participant_id)", "--", "unknown",
    "undefined", "null", "None", "NaN", "test", "PROLIFIC_PID", "x" * 201, "a\u200bb",
)  # fmt: skip


@pytest.mark.parametrize("word", BROKEN)
def test_an_unfilled_placeholder_identifies_nobody(word: str) -> None:
    """With or without a service, nothing begins, and the page says what is wrong."""
    study = make_study(codes=CODES)
    assert entered(study, {"PROLIFIC_PID": word, "SESSION_ID": "s"}) == "broken_link"
    if word:
        assert entered(study, {"PROLIFIC_PID": "p", "SESSION_ID": word}) == "broken_link"
    configuration.configure(study=study, service="prolific")
    assert entered(study, {"PROLIFIC_PID": word, "SESSION_ID": "s"}) == "broken_link"
    assert not Participation.objects.exists()


@pytest.mark.parametrize("given", ["ann", "5F" * 12, "5f" * 11, "5f" * 13])
def test_at_prolific_an_identifier_looks_like_one_of_its(study: Study, given: str) -> None:
    assert entered(study, link("ann") | {"PROLIFIC_PID": given}) == "broken_link"
    assert entered(study, {"PROLIFIC_PID": pid("ann"), "STUDY_ID": "their-study"}) == "broken_link"
    assert entered(study, link("ann")) == "consent"  # Without a token nobody can be asked.
    assert Participation.objects.get().submission == ""


@pytest.mark.parametrize("session", ["..", ".", "../..", "a/b", "a?b=c", "a#b", "a;b"])
def test_a_session_leads_to_no_other_address_of_prolific(
    service: Prolific, study: Study, session: str
) -> None:
    """Odd answers from there would count as an outage, in which nobody is turned away."""
    assert entered(study, link("ann") | {"SESSION_ID": session}) == "broken_link"
    assert not service.asked


def test_an_invented_person_gets_no_code_where_prolific_can_be_asked(
    service: Prolific, study: Study
) -> None:
    configuration.configure(
        study=study, entry="token", service="prolific", external_study="their-study"
    )
    service.submit(pid("ann"), "s-ann", "ACTIVE")
    assert entered(study, link("nobody")) == "unknown_submission"
    assert entered(study, link("ben", "s-ann")) == "unknown_submission"  # another's submission
    assert not Participation.objects.exists()
    assert entered(study, link("ann")) == "consent"
    assert Participation.objects.get().submission == "verified"
    assert [path.split("/")[-2] for path in service.asked] == ["s-nobody", "s-ann", "s-ann"]


def test_a_submission_is_asked_for_once(service: Prolific, study: Study) -> None:
    for _ in range(3):
        assert entered(study, link("nobody")) == "unknown_submission"
    assert len(service.asked) == 1


@pytest.mark.parametrize("status", [503, 401])
def test_an_outage_locks_nobody_out_and_is_flagged_until_reconciled(
    service: Prolific, study: Study, status: int, tmp_path: Path
) -> None:
    service.broken = status
    ben = Client()
    people = {"ann": arrive(study, "ann"), "ben": arrive(study, "ben", ben)}
    assert len(service.asked) == 1  # Nobody else waits for a service that is away.
    assert flags_of(study) == ["submission_unverified"] * 2
    service.broken = 0
    service.submit(pid("ann"), "s-ann", "ACTIVE")
    out = StringIO()
    call_command("reconcile", study.slug, stdout=out)
    assert out.getvalue().splitlines()[1] == (
        "1 not known to Prolific, flagged submission_unknown: "
        f"{exports.pseudonym(people['ben'].identifier)}"
    )
    assert flags_of(study) == ["", "submission_unknown"]
    passages.finish(ben, study, people["ben"])
    file, rows = exports.tables(study)["responses"]
    assert {file.record(row)["flags"] for row in rows()} == {"submission_unknown"}
    service.submit(pid("ben"), "s-ben", "ACTIVE")
    assert prolific.reconcile(study=study).strangers == []
    assert flags_of(study) == ["", ""]


def flags_of(study: Study) -> list[str]:
    file, rows = exports.tables(study)["participants"]
    return [str(file.record(row)["flags"]) for row in rows()]


def test_one_person_takes_part_once_whatever_the_submission(
    service: Prolific, study: Study
) -> None:
    first, elsewhere = Client(), Client()
    someone = arrive(study, "ann", first, service)
    service.submit(pid("ann"), "s-second", "ACTIVE")
    assert entered(study, link("ann", "s-second"), elsewhere) == "taken_part"
    # The same browser goes on, and the first link resumes from any.
    assert entered(study, link("ann", "s-second"), first) == "trial"
    assert entered(study, link("ann"), elsewhere) == "trial"
    assert Participation.objects.get() == someone


def test_a_person_is_one_over_all_versions(service: Prolific, study: Study) -> None:
    arrive(study, "ann", service=service)
    lifecycle.close(study)
    again = make_study(slug=study.slug, features=3, trials_per_participation=3, codes=CODES)
    configuration.configure(study=again, service="prolific", external_study="their-study")
    service.submit(pid("ann"), "s-second", "ACTIVE")
    assert entered(again, link("ann", "s-second")) == "taken_part"
