"""A passage played back: its moments on one axis of time, and nothing that the blinding hides."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from studyapp.models import AuditRecord, Event, Participation, Trial
from studyapp.monitoring.selectors import playback
from studyapp.studies.services import blinding
from tests.studyapp import passages
from tests.studyapp.factories import METHODS, make_study

pytestmark = pytest.mark.django_db


def event(trial: Trial, name: str, kind: str, at_ms: int, came: datetime, **more: int) -> None:
    made = Event.objects.create(
        participation=trial.participation, trial=trial, type=kind, at_ms=at_ms,
        sequence=name, **more,
    )  # fmt: skip
    Event.objects.filter(pk=made.pk).update(received_at=came)


def shown_trial(someone: Participation) -> tuple[Trial, datetime]:
    trial = passages.current(someone)
    at = timezone.now()
    Trial.objects.filter(pk=trial.pk).update(shown_at=at)
    return trial, at


def test_a_page_that_was_opened_again_goes_on_where_it_was_opened() -> None:
    someone = passages.reach_trials(Client(), make_study())
    trial, at = shown_trial(someone)
    after = lambda ms: at + timedelta(milliseconds=ms)  # noqa: E731
    event(trial, "aa-0", "shown", 300, after(2_400))
    event(trial, "aa-1", "play", 1_000, after(2_400), clip=1, value=0)
    event(trial, "aa-2", "heard", 6_000, after(6_050), clip=1, value=5_000)
    # A minute later, in another view of the page, which came 40 ms late.
    event(trial, "bb-0", "shown", 200, after(62_040))
    event(trial, "bb-1", "hidden", 500, after(62_040))
    event(trial, "bb-2", "visible", 2_000, after(62_040), value=1_500)

    [played] = playback.played(someone)

    # The second view was opened 60.04 s after the first, as its last event shows.
    assert [(one.at, one.type) for one in played.moments] == [
        (300, "shown"), (1_000, "play"), (60_240, "shown"), (60_540, "hidden"),
        (62_040, "visible"),
    ]  # fmt: skip
    assert played.length == 62_540
    assert [(one.row, one.x, one.width) for one in played.spans] == [
        (0, 16.0, 947.2), (3, 968.0, 24.0)
    ]  # fmt: skip


def test_nothing_that_was_sent_late_happens_after_the_answer() -> None:
    client, study = Client(), make_study()
    someone = passages.reach_trials(client, study)
    trial = passages.current(someone)
    passages.hear(client, study, trial)
    passages.answer(client, study, trial)
    # Kept by a browser that was offline, and sent an hour later.
    late = timezone.now() + timedelta(hours=1)
    event(trial, "cc-0", "play", 30_000, late, clip=2, value=0)

    [played, *_] = playback.played(someone)

    assert played.moments[-1].type == playback.ANSWERED
    assert 0 <= played.moments[-1].at - 600_000 < 60_000


@pytest.mark.parametrize("role", ["viewer", "editor", "stranger"])
def test_labels_and_answers_are_hidden_until_they_may_be_seen(role: str) -> None:
    client, study = Client(), make_study(languages=["de", "en"])
    someone = passages.reach_trials(client, study)
    trial = passages.current(someone)
    passages.hear(client, study, trial)
    passages.answer(client, study, trial, free_text="Glocken")
    reader = Client()
    user = User.objects.create_user(role, is_superuser=role == "editor")
    reader.force_login(user)
    address = reverse("playback", args=[study.slug, 1, someone.identifier])
    if role != "editor":
        assert reader.get(address).status_code == 404
        assert not AuditRecord.objects.exists()
        return

    page = reader.get(address).content.decode()
    texts = [option["text"] for option in trial.item.options]
    secrets = [*texts, "Glocken", "data-chosen", *METHODS, trial.item.identifier]
    assert [one for one in secrets if one in page] == []
    assert "Ende gehört" not in page
    [record] = AuditRecord.objects.all()
    assert (record.action, record.detail["participation"]) == ("played back", someone.identifier)

    blinding.unblind(study=study, user=user, reason="a test")
    page = reader.get(address).content.decode()
    assert all(text in page for text in [*texts, "Glocken"])
    assert page.count("data-chosen") == 2
    shown = [*METHODS, trial.item.identifier, trial.item.feature.identifier]  # type: ignore[union-attr]
    assert [one for one in shown if one in page] == []


def test_a_withdrawn_passage_cannot_be_played_back() -> None:
    study = make_study()
    someone = passages.reach_trials(Client(), study)
    Participation.objects.filter(pk=someone.pk).update(status="withdrawn")
    reader = Client()
    reader.force_login(User.objects.create_superuser("admin"))
    address = reverse("playback", args=[study.slug, 1, someone.identifier])
    assert reader.get(address).status_code == 404
