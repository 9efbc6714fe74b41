"""One visitor cannot take every place by beginning many participations from one address."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from studyapp.core.errors import CrowdedError
from studyapp.models import Participation, Study
from studyapp.participation.services import address_limit, participations
from studyapp.participation.services.withdrawal import withdraw
from studyapp.participation.views import visitor
from studyapp.recruitment.services import tokens
from studyapp.studies.services import lifecycle
from tests.studyapp import passages
from tests.studyapp.factories import make_study
from tests.studyapp.races import at_once

LIMIT = 3


@pytest.fixture(autouse=True)
def _limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "PASSAGES_PER_ADDRESS", LIMIT)


@pytest.fixture
def study(db: None) -> Study:
    """A study with twenty places."""
    return make_study(features=10, trials_per_participation=1, methods=["descriptors"],
                      ratings_per_item=2)  # fmt: skip


def visit(study: Study, **headers: Any) -> str:
    """Follow the link in a fresh browser and agree; returns the page reached."""
    client = Client(**headers)
    client.get(f"/s/{study.slug}/")
    answer = client.post(f"/s/{study.slug}/consent/", {"decision": "agree"}, follow=True)
    return passages.page_of(answer) or str(answer.status_code)


def test_a_visitor_without_cookies_begins_so_many_and_no_more(study: Study) -> None:
    for _ in range(LIMIT):
        assert Client().get(f"/s/{study.slug}/").status_code == 302
    answer = Client().get(f"/s/{study.slug}/")
    assert (answer.status_code, passages.page_of(answer)) == (429, "crowded")
    assert Participation.objects.count() == LIMIT
    assert visit(study, REMOTE_ADDR="198.51.100.7") == "instructions"


def test_participants_who_are_already_in_continue(study: Study) -> None:
    client = Client()
    client.get(f"/s/{study.slug}/")
    for _ in range(LIMIT):
        Client().get(f"/s/{study.slug}/")
    client.post(f"/s/{study.slug}/consent/", {"decision": "agree"})
    assert passages.page_of(client.get(f"/s/{study.slug}/", follow=True)) == "instructions"


def test_invented_identities_from_one_address_are_one_visitor(study: Study) -> None:
    for number in range(2 * LIMIT):
        Client().get(f"/s/{study.slug}/", {"PROLIFIC_PID": f"{number:024x}", "SESSION_ID": "s"})
    assert Participation.objects.count() == LIMIT


def test_an_ipv6_network_is_one_visitor(study: Study) -> None:
    pages = [visit(study, REMOTE_ADDR=f"2001:db8:0:1::{number:x}") for number in range(1, 6)]
    assert pages.count("instructions") == LIMIT
    assert visit(study, REMOTE_ADDR="2001:db8:0:2::1") == "instructions"


def test_a_laboratory_can_raise_it(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "PASSAGES_PER_ADDRESS", 0)
    assert [visit(study) for _ in range(2 * LIMIT)] == ["instructions"] * 2 * LIMIT


@pytest.mark.parametrize(("submission", "begun"), [("verified", 6), ("unverified", 3)])
def test_people_whom_the_recruiting_service_knows_are_not_limited(
    study: Study, submission: str, begun: int
) -> None:
    for number in range(2 * LIMIT):
        try:
            someone = participations.begin(
                study=study, external_key=f"{number}" * 64, submission=submission,
                address="192.0.2.1",
            )  # fmt: skip
        except CrowdedError:
            continue
        participations.consent(participation=someone)
    assert Participation.objects.exclude(assigned_at=None).count() == begun


def test_personal_links_and_simulated_listeners_are_not_counted(study: Study) -> None:
    for token in tokens.make_tokens(study=study, kind="single", count=2 * LIMIT):
        assert Client().get(f"/s/{study.slug}/?t={token}").status_code == 302
    simulated = visitor.simulation_token(study)
    for number in range(2 * LIMIT):
        who = {"PROLIFIC_PID": f"simulated-{number}", "simulated": simulated}
        assert Client().get(f"/s/{study.slug}/", who).status_code == 302
    assert Participation.objects.count() == 4 * LIMIT


@pytest.mark.django_db(transaction=True)
def test_places_are_counted_under_the_studys_lock(study: Study) -> None:
    """Many begin before the limit can be noticed, but it still holds at consent."""
    key = address_limit.address_key("192.0.2.1")
    begun = [participations.begin(study=study) for _ in range(2 * LIMIT)]
    Participation.objects.update(address_key=key)
    fresh = [Participation.objects.select_related("study").get(pk=one.pk) for one in begun]
    refused = at_once(
        *[lambda one=one: participations.consent(participation=one) for one in fresh]  # type: ignore[misc]
    )
    assert sorted(refused) == [""] * LIMIT + [CrowdedError.__name__] * LIMIT
    assert Participation.objects.exclude(assigned_at=None).count() == LIMIT


def test_an_address_is_a_keyed_hash_and_forgotten_after_a_day(study: Study) -> None:
    old = participations.consent(
        participation=participations.begin(study=study, address="192.0.2.1")
    )
    assert len(old.address_key) == 64
    assert "192.0.2.1" not in str(old.__dict__)
    yesterday = timezone.now() - timedelta(days=1, minutes=1)
    Participation.objects.filter(pk=old.pk).update(created_at=yesterday)
    new = participations.begin(study=study, address="192.0.2.1")
    address_limit.sweep()
    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.address_key, bool(old.consented_at)) == ("", True)
    assert new.address_key


def test_withdrawing_does_not_let_a_visitor_begin_once_more(study: Study) -> None:
    for _ in range(LIMIT):
        client = Client()
        client.get(f"/s/{study.slug}/")
        client.post(f"/s/{study.slug}/consent/", {"decision": "agree"})
        client.post(f"/s/{study.slug}/withdraw/")
    assert {one.status for one in Participation.objects.all()} == {"withdrawn"}
    assert Client().get(f"/s/{study.slug}/").status_code == 429


def test_a_withdrawn_passages_address_is_forgotten_after_a_day(study: Study) -> None:
    someone = withdraw(participation=participations.begin(study=study, address="192.0.2.1"))
    assert someone.address_key
    yesterday = timezone.now() - timedelta(days=1, minutes=1)
    Participation.objects.filter(pk=someone.pk).update(created_at=yesterday)
    address_limit.sweep()
    someone.refresh_from_db()
    assert (someone.status, someone.address_key) == ("withdrawn", "")


def test_visitors_who_only_followed_the_link_are_forgotten_after_a_day(study: Study) -> None:
    looked, agreed, refused, late = (participations.begin(study=study) for _ in range(4))
    participations.consent(participation=agreed)
    participations.refuse(participation=refused)
    yesterday = timezone.now() - timedelta(days=1, minutes=1)
    Participation.objects.exclude(pk=late.pk).update(created_at=yesterday)
    address_limit.sweep()
    left = set(Participation.objects.values_list("pk", flat=True))
    assert left == {agreed.pk, refused.pk, late.pk}
    assert not Participation.objects.filter(pk=looked.pk).exists()


def test_what_a_closed_study_exports_and_reconciliation_needs_stays(study: Study) -> None:
    looked, sent = participations.begin(study=study), participations.begin(study=study)
    Participation.objects.filter(pk=sent.pk).update(external_key="a" * 64)
    yesterday = timezone.now() - timedelta(days=1, minutes=1)
    Participation.objects.update(created_at=yesterday)
    lifecycle.close(study)
    address_limit.sweep()
    assert set(Participation.objects.values_list("pk", flat=True)) == {looked.pk, sent.pk}
    Study.objects.update(state=Study.State.OPEN)
    address_limit.sweep()
    assert set(Participation.objects.values_list("pk", flat=True)) == {sent.pk}
