"""Parsing the participants' real pages."""

from __future__ import annotations

import pytest
from django.test import Client

from studyapp.simulation.page_parser import parse
from tests.studyapp import factories, passages

pytestmark = pytest.mark.django_db


def test_a_trial_page_is_read(client: Client) -> None:
    study = factories.make_study()
    participation = passages.reach_trials(client, study)
    trial = passages.current(participation)
    page = parse(client.get(f"/s/{study.slug}/trial/").content.decode())
    shown = [trial.item.options[index]["text"] for index in trial.option_order]
    assert page.kind == "trial"
    assert page.options == dict(enumerate(shown, 1))
    assert page.sounds == [f"/s/{study.slug}/audio/{trial.token}/{n}" for n in (1, 2, 3)]
    assert page.seconds == [pytest.approx(1.0)] * 3
    assert (page.fields["trial"], page.fields["key"]) == (trial.token, trial.key)
    assert page.events == f"/s/{study.slug}/events"


def test_the_code_is_read(client: Client) -> None:
    study = factories.make_study()
    participation = passages.reach_trials(client, study)
    passages.finish(client, study, participation)
    participation.refresh_from_db()
    page = parse(client.get(f"/s/{study.slug}/thanks/").content.decode())
    assert page.code == participation.completion_code != ""


def test_an_ending_has_a_heading_and_no_form(client: Client) -> None:
    page = parse(client.get("/s/nothing-here/").content.decode())
    assert (page.has_form, page.code) == (False, "")
    assert page.heading
