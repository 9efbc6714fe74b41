"""Links opened and consents sent at the same moment: a person or a token counts once."""

from __future__ import annotations

import pytest

from studyapp.models import EntryToken, Participation
from studyapp.participation.services import participations
from studyapp.recruitment.services import tokens
from studyapp.recruitment.services.identities import Identity
from tests.studyapp.factories import make_study
from tests.studyapp.races import at_once

pytestmark = pytest.mark.django_db(transaction=True)
HANDS = 4


def token_of(kind: str, max_uses: int | None = None) -> EntryToken:
    study = make_study(features=3, trials_per_participation=1, ratings_per_item=90)
    tokens.make_tokens(study=study, kind=kind, max_uses=max_uses)
    return EntryToken.objects.select_related("study").get()


def test_two_submissions_of_one_person_begin_one_participation() -> None:
    study = make_study()
    people = [Identity("5f3e", f"session-{number}") for number in range(HANDS)]
    refused = at_once(*(
        lambda who=who: participations.begin(
            study=study, external_key=who.key, person_key=who.person
        )
        for who in people
    ))  # fmt: skip
    assert sorted(refused) == ["", *["TakenPartError"] * (HANDS - 1)]
    assert Participation.objects.count() == 1


def test_a_single_use_link_opened_at_once_begins_one_participation() -> None:
    token = token_of("single")
    begin = [lambda: participations.begin(study=token.study, entry=token)] * HANDS
    assert sorted(at_once(*begin)) == ["", *["NotInvitedError"] * (HANDS - 1)]
    assert Participation.objects.count() == 1


def test_a_shared_token_allows_no_more_consents_than_its_limit() -> None:
    token = token_of("shared", max_uses=2)
    begun = [participations.begin(study=token.study, entry=token) for _ in range(HANDS)]
    refused = at_once(*(
        lambda one=one: participations.consent(participation=one) for one in begun
    ))  # fmt: skip
    assert sorted(refused) == ["", "", *["NotInvitedError"] * (HANDS - 2)]
    token.refresh_from_db()
    assert token.uses == Participation.objects.exclude(consented_at=None).count() == 2


def test_a_consent_sent_twice_uses_a_token_once() -> None:
    token = token_of("shared", max_uses=2)
    one = participations.begin(study=token.study, entry=token)
    consents = [
        lambda: participations.consent(participation=Participation.objects.get(pk=one.pk))
    ] * HANDS
    assert at_once(*consents) == [""] * HANDS
    token.refresh_from_db()
    assert token.uses == 1
