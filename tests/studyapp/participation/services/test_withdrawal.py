from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from studyapp import exports
from studyapp.core.errors import ParticipationError
from studyapp.models import AuditRecord, Event, Participation, Response, StepRecord, Trial
from studyapp.participation.services import assignment, participations
from studyapp.participation.services.withdrawal import withdraw
from tests.studyapp import passages
from tests.studyapp.factories import make_study

pytestmark = pytest.mark.django_db


def test_withdrawing_erases_frees_the_place_and_leaves_a_tombstone() -> None:
    study = make_study(features=3, trials_per_participation=3, repeat_trials=1)
    client = Client()
    someone = passages.reach_trials(client, study, PROLIFIC_PID="ann", SESSION_ID="s")
    StepRecord.objects.create(participation=someone, step="volume", data={"answer": 3})
    participations.consent(participation=participations.begin(study=study))
    passages.finish(client, study, someone)
    someone.refresh_from_db()
    code, key = someone.completion_code, someone.external_key
    assert assignment.is_full(study)
    assert Response.objects.count() == 4

    withdraw(participation=someone)

    assert not assignment.is_full(study)
    assert not Response.objects.exists()
    assert not Event.objects.exists()
    assert not StepRecord.objects.exists()
    assert not Trial.objects.filter(participation=someone).exists()
    tombstone = Participation.objects.get(pk=someone.pk)
    assert (tombstone.status, tombstone.completion_code, tombstone.ending_code) == (
        "withdrawn", "", code,
    )  # fmt: skip
    assert (tombstone.external_key, tombstone.condition, tombstone.draw) == (key, None, {})
    assert len(list(exports.responses_as_csv(study))) == 1

    page = Client().get(
        f"/s/{study.slug}/", {"PROLIFIC_PID": "ann", "SESSION_ID": "s"}, follow=True
    )
    assert passages.page_of(page) == "withdrawn"


@pytest.mark.parametrize("name", ["export", "page"])
def test_someone_who_asks_by_mail_is_withdrawn_and_the_reason_recorded(name: str) -> None:
    """By the command, with either name, or by an editor's button."""
    someone = participations.consent(participation=participations.begin(study=make_study()))
    named = {"export": exports.pseudonym(someone.identifier), "page": someone.identifier}[name]
    with pytest.raises(CommandError, match="there is no participation 'x'"):
        call_command("withdraw", "x", reason="asked")
    with pytest.raises(CommandError, match="give a reason"):
        call_command("withdraw", named, reason=" ")
    call_command("withdraw", named, reason="asked by mail", stdout=StringIO())
    someone.refresh_from_db()
    assert (someone.status, someone.trials.count()) == ("withdrawn", 0)
    [note] = AuditRecord.objects.filter(action="withdrew a participation")
    assert note.detail == {"participation": someone.identifier, "reason": "asked by mail"}
    with pytest.raises(CommandError, match="was withdrawn before"):
        call_command("withdraw", named, reason="again")


def test_an_editor_withdraws_someone_on_the_page(admin_client: Client) -> None:
    study = make_study()
    someone = participations.consent(participation=participations.begin(study=study))
    page = reverse("participation", args=[study.slug, study.version, someone.identifier])
    assert "Erase permanently" in admin_client.get(page).content.decode()
    done = admin_client.post(f"{page}withdraw", {"reason": "asked by mail"}, follow=True)
    assert "is withdrawn and its answers are erased" in done.content.decode()
    assert "Erase permanently" not in done.content.decode()
    assert AuditRecord.objects.get(action="withdrew a participation").who == "admin"


def test_withdrawing_twice_changes_nothing() -> None:
    someone = participations.consent(participation=participations.begin(study=make_study()))
    first = withdraw(participation=someone).finished_at
    assert withdraw(participation=someone).finished_at == first


def test_after_a_refusal_there_is_nothing_to_withdraw() -> None:
    someone = participations.refuse(participation=participations.begin(study=make_study()))
    with pytest.raises(ParticipationError, match="nothing to withdraw"):
        withdraw(participation=someone)


def test_an_answer_after_the_withdrawal_is_not_taken() -> None:
    study = make_study()
    client = Client()
    someone = passages.reach_trials(client, study)
    trial = passages.current(someone)
    passages.hear(client, study, trial)
    withdraw(participation=someone)
    passages.answer(client, study, trial)
    assert not Response.objects.exists()
