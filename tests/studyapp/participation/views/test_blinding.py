"""Nothing that reaches a participant's browser reveals what is tested."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from studyapp.models import Study
from tests.studyapp import passages
from tests.studyapp.factories import make_features, make_run, make_study

pytestmark = pytest.mark.django_db

METHODS = ("zither-oracle", "quokka-tags")
PLACE = r"Trial \d|value=\"\d\"|>\d/\d<|about \d+ minutes?|and continue|and finish"
"""Texts that only say how far a participant has got."""


class Recorder(Client):
    """A client that keeps every response: URL, status line, headers, cookies, body."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seen: list[bytes] = []

    def request(self, **request: Any) -> Any:
        response = super().request(**request)
        headers = "\n".join(f"{name}: {value}" for name, value in response.items())
        cookies = response.cookies.output()
        address = f"{request['PATH_INFO']}?{request.get('QUERY_STRING', '')}"
        self.seen.append(f"{address}\n{headers}\n{cookies}\n".encode() + response.content)
        return response


@pytest.fixture
def study() -> Study:
    run = make_run(name="quasar-run", clips=12)
    make_features(run, count=6, methods=METHODS, candidates=4, sae="layer7-n96-k5")
    return make_study(
        run=run, methods=METHODS, features=6, trials_per_participation=6, slug="listening"
    )


def secrets_of(study: Study) -> list[str]:
    """Everything that would unblind: names, identifiers, hashes, paths."""
    words = {*METHODS, "quasar", "layer7", "n96", "resid_post", "decoder", "exemplar", "feature"}
    for run in study.runs.all():
        words |= {run.name, run.identifier, run.directory}
        for clip in run.clips.all():
            words |= {clip.sha256, clip.sha256[:10], clip.track}
    for item in study.items.select_related("stimulus_1", "stimulus_2", "stimulus_3"):
        words |= {item.identifier, *(one.sha256[:10] for one in item.stimuli)}
    words |= {study.design_hash[:10]}
    return sorted(words)


def walk(client: Recorder, study: Study) -> None:
    """A whole participation with every sound, and the refusals and errors on the way."""
    participation = passages.reach_trials(client, study, PROLIFIC_PID="x", SESSION_ID="y")
    for trial in participation.trials.order_by("number"):
        client.get(f"/s/{study.slug}/trial/")
        for clip in (0, 1, 2, 3):
            client.get(f"/s/{study.slug}/audio/{trial.token}/{clip}")
        passages.answer(client, study, trial)
        passages.answer(client, study, trial, choice="9")
        passages.hear(client, study, trial)
        data = {"trial": trial.token, "key": trial.key, "choice": "2", "confidence": "4"}
        client.post(f"/s/{study.slug}/trial/", data, headers={"Accept": "application/json"})
    assert passages.page_of(client.get(f"/s/{study.slug}/", follow=True)) == "thanks"
    client.get(f"/s/{study.slug}/nothing")


def test_no_response_of_a_whole_passage_tells(study: Study) -> None:
    client = Recorder()
    walk(client, study)
    assert len(client.seen) > 60
    told = [
        (word, response[:80])
        for word in secrets_of(study)
        for response in client.seen
        if word.encode().lower() in response.lower()
    ]
    assert told == []


def test_two_methods_pages_differ_in_nothing_but_tokens_and_texts(study: Study) -> None:
    """The same feature under both methods gives the same page with different labels."""
    pages: dict[str, set[str]] = {}
    for _ in range(2):
        client = Recorder()
        participation = passages.reach_trials(client, study)
        method = participation.condition.method if participation.condition else ""
        for trial in participation.trials.order_by("number").select_related("item"):
            page = client.get(f"/s/{study.slug}/trial/").content.decode()
            for private in (trial.token, trial.key):
                page = page.replace(private, "PRIVATE")
            for option in trial.item.options:
                page = page.replace(f">{option['text']}<", ">TEXT<")
            page = re.sub(r'(csrfmiddlewaretoken" value=")\w+|data-ahead="[^"]*"', "CSRF", page)
            page = re.sub(PLACE, "PLACE", page)
            pages.setdefault(method, set()).add(page)
            passages.hear(client, study, trial)
            passages.answer(client, study, trial)
    assert set(pages) == set(METHODS)
    assert pages[METHODS[0]] == pages[METHODS[1]]


def test_the_bytes_of_a_sound_are_the_same_under_both_methods(study: Study) -> None:
    by_method = {
        condition.method: {
            item.feature_id: [stimulus.sha256 for stimulus in item.stimuli]
            for item in condition.items.all()
        }
        for condition in study.conditions.all()
    }
    assert by_method[METHODS[0]] == by_method[METHODS[1]]
