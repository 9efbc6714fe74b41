"""Query counts of participants' pages, the same for short and long studies."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.studyapp import passages
from tests.studyapp.factories import make_study
from tests.studyapp.queries import queries

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("trials", [2, 6])
def test_queries_of_every_page(client: Client, trials: int) -> None:
    study = make_study(features=6, trials_per_participation=trials)
    base = f"/s/{study.slug}/"
    counts = {"start": queries(lambda: client.get(base))}
    counts["consent"] = queries(lambda: client.get(f"{base}consent/"))
    counts["agree"] = queries(lambda: client.post(f"{base}consent/", {"decision": "agree"}))
    client.post(f"{base}instructions/")
    counts["first showing"] = queries(lambda: client.get(f"{base}trial/"))
    counts["showing"] = queries(lambda: client.get(f"{base}trial/"))
    participation = study.participations.get()
    trial = passages.current(participation)
    counts["sound"] = queries(lambda: client.get(f"{base}audio/{trial.token}/1"))
    counts["events"] = queries(lambda: passages.hear(client, study, trial)) - 1
    counts["answer"] = queries(lambda: passages.answer(client, study, trial))
    assert counts == {
        "start": 6,
        "consent": 3,
        "agree": 18,
        "first showing": 4,
        "showing": 4,
        "sound": 1,
        "events": 6,
        "answer": 8,
    }
