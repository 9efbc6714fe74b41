"""A config with [sweep] on the form: one run per subject, all or none, checked like any other."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from studyapp.models import AuditRecord, Membership, Project, Role, Run
from tests.studyapp import startable

pytestmark = pytest.mark.django_db
SWEEP = """
[[sweep.subjects]]
name = "trained"
[[sweep.subjects]]
name = "random"
control = "random"
"""


def _text(response: Any) -> str:
    return str(response.content.decode())


def test_a_sweep_starts_a_run_per_subject(researcher: Client) -> None:
    sent = {"name": "Both", "config": startable.TEXT + SWEEP}
    response = researcher.post(reverse("new-run"), sent)
    assert response.headers["Location"] == reverse("home")
    runs = {run.name: run for run in Run.objects.all()}
    assert sorted(runs) == ["Both (random)", "Both (trained)"]
    controls = {name: run.config["subject"]["control"] for name, run in runs.items()}
    assert controls == {"Both (random)": "random", "Both (trained)": "none"}
    assert {run.state for run in runs.values()} == {"queued"}
    assert AuditRecord.objects.filter(action="started").count() == 2


def test_all_runs_of_a_sweep_are_started_or_none(researcher: Client) -> None:
    sent = {"name": "Both", "config": startable.TEXT + SWEEP.replace('"random"', '"else"', 1)}
    researcher.post(reverse("new-run"), sent)
    again = researcher.post(reverse("new-run"), {**sent, "config": startable.TEXT + SWEEP})
    assert "a run named &#x27;Both (trained)&#x27; already exists" in _text(again)
    assert Run.objects.count() == 2


def test_the_estimate_shows_each_subject_and_their_number_of_saes(researcher: Client) -> None:
    text = startable.TEXT + "[sae]\nexpansions = [4, 8]\nks = [4, 8, 16]\n"
    one = _text(researcher.post(reverse("check-config"), {"config": text}))
    assert "6 = 1 hookpoint × 2 expansions × 3 k" in one
    both = _text(researcher.post(reverse("check-config"), {"config": text + SWEEP}))
    assert "12 in 2 runs" in both
    assert "<td>6 = 1 × 2 × 3</td>" in both
    assert "This machine has what all 2 runs need." in both
    typed = {"config": text, "sweep.further_subjects": "random, codec-latents"}
    three = _text(researcher.post(reverse("fill-config"), typed))
    assert "18 in 3 runs" in three
    wrong = SWEEP.replace('"trained"', '"../x"')
    fault = _text(researcher.post(reverse("check-config"), {"config": text + wrong}))
    assert 'href="#field-sweep-further_subjects"' in fault
    many = "".join(f'[[sweep.subjects]]\nname = "s{n}"\n' for n in range(21))
    fault = _text(researcher.post(reverse("check-config"), {"config": text + many}))
    assert "[sweep] has 21 subjects, over the limit of 20" in fault


def test_every_subject_of_a_sweep_is_checked_against_what_is_offered(
    client: Client, django_user_model: Any, settings: Any
) -> None:
    settings.MODELS, settings.CORPORA = [startable.MODEL], [startable.CORPUS]
    project = Project.objects.create(name="p", may_start_runs=True)
    user = django_user_model.objects.create_user("eve")
    Membership.objects.create(project=project, user=user, role=Role.EDITOR)
    client.force_login(user)
    offered = {"config": startable.TEXT + SWEEP}
    assert "The config is valid." in _text(client.post(reverse("check-config"), offered))
    hidden = SWEEP.replace('control = "random"', 'model = "/etc"')
    sent = {"name": "n", "project": project.pk, "config": startable.TEXT + hidden}
    assert "is not offered here" in _text(client.post(reverse("new-run"), sent))
    assert "is not offered here" in _text(client.post(reverse("check-config"), sent))
    assert not Run.objects.exists()
