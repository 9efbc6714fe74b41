"""Listeners over a real HTTP server."""

from __future__ import annotations

import json
import math
from collections import Counter
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from studyapp.models import Event, Participation, Response, Study, Trial
from studyapp.models.steps import all_steps
from studyapp.simulation.knowledge import expected_by_method, knowledge_of, true_difference
from studyapp.simulation.listener import ListenerModel
from tests.studyapp import factories

pytestmark = pytest.mark.django_db(transaction=True)


def _simulate(live_server: Any, study: Study, *more: str) -> str:
    out = StringIO()
    arguments = ["--participants", "4", "--url", live_server.url, *more]
    call_command("simulate", study.slug, *arguments, stdout=out)
    return out.getvalue()


def test_listeners_finish_a_study(live_server: Any, tmp_path: Path) -> None:
    study = factories.make_study(features=6, ratings_per_item=1, trials_per_participation=3)
    log = tmp_path / "log"
    said = _simulate(live_server, study, "--log", str(log))
    assert "completed  4 participations" in said
    assert Participation.objects.filter(simulated=True, status="complete").count() == 4
    stored = set(Response.objects.values_list("trial__token", "choice", "confidence"))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    answers = {(n["trial"], n["answer"]["choice"], n["answer"]["confidence"]) for n in lines}
    assert stored == answers
    assert len(lines) == 12


def test_a_listeners_page_reports_that_it_was_used(live_server: Any) -> None:
    study = factories.make_study(
        features=3, ratings_per_item=1, trials_per_participation=3, watch_machines=True
    )
    _simulate(live_server, study, "--participants", "1")
    assert Event.objects.filter(type=Event.Type.FIRST_INTERACTION).count() == 3


def test_listeners_choose_the_steered_sound_as_often_as_their_slope_says(live_server: Any) -> None:
    study = factories.make_pair_study(
        features=8, trials=8, contrasts=["add@2/plain"], ratings_per_item=4, catch_trials=2,
    )  # fmt: skip
    said = _simulate(live_server, study, "--participants", "8", "--dose", "0.7")
    share = 1 / (1 + math.exp(-1.4))
    assert f"expected   share {share:.3f} for the first of add@2/plain" in said
    answers = Response.objects.select_related("trial")
    chosen = [one for one in answers if one.trial.kind == "main"]
    steered = sum(one.trial.option_order[one.choice - 1] == 0 for one in chosen)
    assert len(chosen) == 64
    # Four standard errors either side of the expectation.
    assert abs(steered - 64 * share) < 4 * math.sqrt(64 * share * (1 - share))
    first = sum(one.choice == 1 for one in chosen)
    assert 16 < first < 48


def test_listeners_pass_every_kind_of_trial_and_know_an_obvious_sound(live_server: Any) -> None:
    """Checks, practice, catch trials and repeats; only those without headphones drop out."""
    study = factories.make_study(
        features=8, ratings_per_item=2, trials_per_participation=4, catch_trials=2,
        repeat_trials=2, steps=all_steps(), practice_trials=2,
    )  # fmt: skip
    said = _simulate(live_server, study, "--headphones", "1.0")
    assert "completed  4 participations" in said
    # 2 of practice, 4, 2 catch trials and 2 repeats.
    assert "answers    40 " in said
    kinds = Counter(Response.objects.values_list("trial__kind", flat=True))
    assert kinds == {"practice": 8, "main": 16, "catch": 8, "repeat": 8}
    for kind in ("practice", "catch"):
        answers = Response.objects.filter(trial__kind=kind).select_related("trial__item")
        right = [a.trial.option_order[a.choice - 1] == a.trial.item.target for a in answers]
        assert sum(right) >= 7, kind


def test_the_same_seed_resumes_the_same_participations(live_server: Any) -> None:
    study = factories.make_study(features=6, ratings_per_item=1, trials_per_participation=3)
    first, again = _simulate(live_server, study), _simulate(live_server, study)
    assert "answers    12 " in first
    assert "answers    0 " in again
    assert "completed  4 " in again
    assert Participation.objects.count() == 4


def test_listeners_who_find_the_study_full_are_counted_with_the_reason(live_server: Any) -> None:
    study = factories.make_study(features=3, ratings_per_item=1, trials_per_participation=3)
    said = _simulate(live_server, study, "--concurrency", "1")
    assert "completed  2 participations" in said
    assert "ended      2 × " in said


def test_only_an_open_study_takes_listeners(live_server: Any) -> None:
    study = factories.make_study(state=Study.State.PAUSED)
    with pytest.raises(CommandError, match="is paused; listeners need an open study"):
        _simulate(live_server, study)


def test_the_name_of_a_method_changes_no_answer(live_server: Any) -> None:
    """Two conditions with the same names: the expectations are equal, whatever they are called."""
    run = factories.make_run()
    factories.make_features(run, count=6)
    study = factories.make_study(run=run, features=6)
    for item in study.items.all():
        item.options = [option | {"text": f"name {n}"} for n, option in enumerate(item.options)]
        item.save()
    expected = expected_by_method(study, ListenerModel())
    assert expected["corpus-tags"] == expected["descriptors"]
    assert true_difference(study, ListenerModel()) == 0


def test_listeners_know_sounds_only_by_their_bytes() -> None:
    study = factories.make_study()
    known = knowledge_of(study).tags
    stimuli = {s.sha256: s.clip.tags for item in study.items.all() for s in item.stimuli}
    assert known == stimuli
    assert Trial.objects.count() == 0
