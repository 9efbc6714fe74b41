"""Entering by token, and one participant after another on a laboratory's machine."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from studyapp.core.errors import StudyError
from studyapp.models import EntryToken, Participation, Study
from studyapp.participation.views import visitor
from studyapp.recruitment.services import tokens
from tests.studyapp import passages
from tests.studyapp.factories import make_study

pytestmark = pytest.mark.django_db


def links(study: Study, *options: str) -> list[str]:
    """Links with tokens, as the command prints them."""
    out = StringIO()
    call_command("entry_links", study.slug, "--url", "http://testserver", *options, stdout=out)
    return [line.removeprefix("http://testserver") for line in out.getvalue().split()]


def agree(client: Client, study: Study) -> None:
    client.post(f"/s/{study.slug}/consent/", {"decision": "agree"})


def page(client: Client, link: str) -> str:
    return passages.page_of(client.get(link, follow=True))


def test_a_single_use_token_binds_to_one_participation_and_finds_it_again() -> None:
    study = make_study()
    [link] = links(study)
    first, elsewhere = Client(), Client()
    answer = first.get(link)
    assert answer.status_code == 302
    assert answer["Location"] == f"/s/{study.slug}/consent/"
    assert page(elsewhere, link) == "consent"
    assert Participation.objects.count() == 1
    assert EntryToken.objects.get().uses == 0
    agree(first, study)
    assert page(elsewhere, link) == "instructions"
    assert EntryToken.objects.get().uses == 1


def test_visitors_without_a_token_are_not_let_in() -> None:
    study = make_study()
    [link] = links(study)
    for bad in (f"/s/{study.slug}/", f"/s/{study.slug}/?t=wrong", f"{link}x"):
        answer = Client().get(bad)
        assert (answer.status_code, passages.page_of(answer)) == (403, "uninvited")
    assert not Participation.objects.exists()


def test_a_simulated_listener_needs_none() -> None:
    study = make_study()
    links(study)
    token = visitor.simulation_token(study)
    assert page(Client(), f"/s/{study.slug}/?simulated={token}") == "consent"


def test_a_shared_token_admits_up_to_its_limit() -> None:
    study = make_study(features=12, ratings_per_item=3)
    [link] = links(study, "--kind", "shared", "--max-uses", "2")
    first, late = Client(), Client()
    for client in (first, first, late):  # the first one comes twice
        assert page(client, link) == "consent"
    agree(first, study)
    agree(first, study)
    assert page(first, link) == "instructions"
    last = Client()
    assert page(last, link) == "consent"
    agree(last, study)
    assert EntryToken.objects.get().uses == 2
    assert page(Client(), link) == "uninvited"
    answer = late.post(f"/s/{study.slug}/consent/", {"decision": "agree"})
    assert (answer.status_code, passages.page_of(answer)) == (403, "uninvited")
    assert Participation.objects.exclude(consented_at=None).count() == 2


@pytest.mark.parametrize("kind", ["single", "shared"])
def test_previews_of_a_link_use_nothing_up(kind: str) -> None:
    study = make_study()
    [link] = links(study, "--kind", kind, *(["--max-uses", "1"] if kind == "shared" else []))
    for _ in range(3):
        Client().head(link)
        assert Client().get(link).status_code == 302
    assert EntryToken.objects.get().uses == 0
    person = Client()
    assert page(person, link) == "consent"
    agree(person, study)
    assert page(person, link) == "instructions"
    assert EntryToken.objects.get().uses == 1


def test_a_link_belongs_only_to_its_series() -> None:
    """Neither a token nor a cookie opens another study."""
    study, other = make_study(), make_study()
    [link] = links(study)
    links(other)
    token = link.partition("?t=")[2]
    answer = Client().get(f"/s/{other.slug}/?t={token}")
    assert (answer.status_code, passages.page_of(answer)) == (403, "uninvited")


def test_a_revoked_token_admits_nobody_new_but_keeps_current_participants() -> None:
    study = make_study(features=12)
    [link] = links(study, "--kind", "shared")
    client = Client()
    assert page(client, link) == "consent"
    tokens.revoke(token=EntryToken.objects.get())
    assert page(Client(), link) == "uninvited"
    assert page(client, f"/s/{study.slug}/") == "consent"


def test_at_a_machine_in_the_laboratory_one_participant_follows_the_other() -> None:
    study = make_study(features=3, ratings_per_item=3)
    [link] = links(study, "--kind", "kiosk")
    machine = Client()
    answer = machine.get(link)
    assert "?" not in answer["Location"]
    first = passages.reach_trials(machine, study)
    passages.finish(machine, study, first)
    thanks = machine.get(f"/s/{study.slug}/thanks/").content.decode()
    assert f'action="/s/{study.slug}/next"' in thanks
    machine.post(f"/s/{study.slug}/next")
    second = passages.reach_trials(machine, study)
    assert second.pk != first.pk
    assert {one.entry for one in (first, second)} == {EntryToken.objects.get()}
    # The machine's link again: the next participant does not see someone who left unfinished.
    machine.get(link)
    assert passages.enter(machine, study).pk not in (first.pk, second.pk)


def test_an_ordinary_browser_has_no_next_participant() -> None:
    study = make_study()
    client = Client()
    first = passages.reach_trials(client, study)
    client.post(f"/s/{study.slug}/next")
    assert page(client, f"/s/{study.slug}/") == "trial"
    passages.finish(client, study, first)
    assert "/next" not in client.get(f"/s/{study.slug}/thanks/").content.decode()


def test_only_hashes_of_tokens_are_stored() -> None:
    study = make_study()
    [token] = tokens.make_tokens(study=study, kind="single")
    stored = EntryToken.objects.get()
    assert token not in str(stored.__dict__)
    assert len(stored.digest) == 64


@pytest.mark.parametrize(
    ("options", "message"),
    [({"kind": "golden"}, "kind is 'golden'"), ({"kind": "single", "count": 0}, "tokens is 0"),
     ({"kind": "shared", "max_uses": 0}, "max_uses is 0")],
)  # fmt: skip
def test_tokens_out_of_range_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        tokens.make_tokens(study=make_study(), **options)  # type: ignore[arg-type]


def test_links_of_a_study_that_does_not_exist() -> None:
    with pytest.raises(CommandError, match="there is no study 'nowhere'"):
        call_command("entry_links", "nowhere")
