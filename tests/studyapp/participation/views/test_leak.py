"""A classifier on all that a browser receives except the options' texts cannot tell the method.

Forty participations, twenty a method, in pairs that heard the same features. What each received is
turned into two sets of features: figures (how many bytes, which status, how long it took, of each
kind of address), and which pieces of text came: between tags, headers, the sounds' hashes. A
logistic regression on them is judged on participations that it has not seen. The same must find a
leak that was planted, else it proves nothing.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.http import HttpResponse
from django.test import Client
from numpy.typing import NDArray

from studyapp.models import Participation, Study
from studyapp.participation.views import media, trial_page
from studyapp.runs.services.item_tables import make as item_tables
from studyapp.runs.services.item_tables.check import check
from studyapp.studies.services import flac
from tests.studyapp import passages
from tests.studyapp.factories import METHODS, make_pair_study, make_study
from tests.studyapp.runs.services.test_item_tables import as_csv, sounds, table

pytestmark = pytest.mark.django_db
PEOPLE = 40
TRIALS = 3
CHANCE_LIMIT = 31
"""Right guesses out of 40 that chance exceeds once in 10,000 (binomial, one half)."""
LEAK_LIMIT = 36
OWN = re.compile(r'"[\w-]{20,}"|/[\w-]{20,}/|[\w-]{30,}')
"""Tokens and keys: random, and all of the same length."""


class Recorder(Client):
    """Keeps every response without the options' texts, and how long each took."""

    def __init__(self, study: Study) -> None:
        super().__init__()
        items = list(study.items.all())
        shown = {option["text"] for item in items for option in item.options}
        self.texts = sorted(shown | {item.prompt for item in items}, key=len)[::-1]
        self.hashes_sounds = not study.kind.picks_sound
        self.text: list[str] = []
        self.figures: defaultdict[str, list[tuple[float, ...]]] = defaultdict(list)

    def request(self, **request: Any) -> Any:
        started = time.perf_counter()
        response = super().request(**request)
        seconds = time.perf_counter() - started
        self._keep(OWN.sub("/TOKEN/", request["PATH_INFO"]), response, seconds)
        return response

    def _keep(self, path: str, response: HttpResponse, seconds: float) -> None:
        content = response.content
        if response.get("Content-Type", "").startswith("text/html"):
            page = content.decode()
            for text in self.texts:
                page = page.replace(f">{text}<", "><")
            content = page.encode()
        elif self.hashes_sounds or not path.startswith("/s/") or "/audio/" not in path:
            page = hashlib.sha256(content).hexdigest()
        else:
            page = ""  # The two sounds of a pair differ: that is what is listened to.
        length = {"content-length"}  # counts the options' texts; the stripped length is kept
        headers = [f"{k}: {v}" for k, v in response.items() if k.lower() not in length]
        self.text.append("\n".join([path, *headers, OWN.sub('"TOKEN"', page)]))
        self.figures[path].append((len(content), response.status_code, len(headers), seconds))


def receive(study: Study, number: int) -> tuple[Recorder, str]:
    """One participation from start to end: what was received, and its method."""
    client = Recorder(study)
    someone = passages.reach_trials(client, study, PROLIFIC_PID=f"p{number}", SESSION_ID="s")
    for trial in someone.trials.order_by("number"):
        client.get(f"/s/{study.slug}/trial/")
        for clip in (1, 2, 3):
            client.get(f"/s/{study.slug}/audio/{trial.token}/{clip}")
        passages.hear(client, study, trial)
        passages.answer(client, study, trial)
    client.get(f"/s/{study.slug}/thanks/")
    return client, someone.condition.method if someone.condition else ""


def guessed_right(study: Study) -> dict[str, int]:
    """Kind of features → how many of the participations' methods were guessed right."""
    received = [receive(study, number) for number in range(PEOPLE)]
    one = min(method for _, method in received)
    return guessed([client for client, _ in received], [method == one for _, method in received])


def guessed(clients: list[Recorder], truth: list[bool]) -> dict[str, int]:
    """Kind of features → for how many of the recorders the truth was guessed right."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.feature_selection import SelectKBest
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    labels = np.array(truth)
    assert labels.sum() == PEOPLE / 2
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    lines = {"token_pattern": r"[^\n<>]+", "lowercase": False, "binary": True, "min_df": 2}
    models = {
        "figures": make_pipeline(StandardScaler(), LogisticRegression(C=10.0)),
        "text": make_pipeline(
            CountVectorizer(**lines), SelectKBest(_scores, k=20), LogisticRegression(C=10.0)
        ),
    }
    data: dict[str, Any] = {
        "figures": figures(clients),
        "text": ["\n".join(client.text) for client in clients],
    }
    return {
        name: int((cross_val_predict(model, data[name], labels, cv=folds) == labels).sum())
        for name, model in models.items()
    }


def _scores(table: Any, labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How differently often a line occurs under the two methods; none varies within both."""
    dense = table.toarray().astype(float)
    gap = dense[labels].mean(axis=0) - dense[~labels].mean(axis=0)
    return np.asarray(np.abs(gap))


def figures(clients: list[Recorder]) -> NDArray[np.float64]:
    """One row per participation: means and extremes of the figures for each kind of URL."""
    paths = sorted({path for client in clients for path in client.figures})
    rows = []
    for client in clients:
        row: list[float] = []
        for path in paths:
            known = np.array(client.figures.get(path) or [(0.0, 0.0, 0.0, 0.0)])
            row += [len(known), *known.mean(axis=0), *np.median(known, axis=0), *known.max(axis=0)]
        rows.append(row)
    return np.array(rows)


@pytest.fixture
def study() -> Study:
    """Twenty participations per method, all with the same three features."""
    return make_study(
        features=TRIALS, trials_per_participation=TRIALS, ratings_per_item=PEOPLE // 2
    )


def test_what_is_received_tells_the_method_no_better_than_chance(study: Study) -> None:
    right = guessed_right(study)
    assert max(right.values()) <= CHANCE_LIMIT, right


def test_nor_in_a_study_of_items_from_a_table(tmp_path: Path) -> None:
    clips = sounds(tmp_path / "clips", 3 * TRIALS)
    found, faults = check(as_csv(table(clips, items=TRIALS)), tmp_path / "clips")
    assert found is not None, faults
    run, _ = item_tables.make(table=found, name="things")
    study = make_study(
        run=run, features=TRIALS, ratings_per_item=PEOPLE // 2, methods=("captioner", "human")
    )
    right = guessed_right(study)
    assert max(right.values()) <= CHANCE_LIMIT, right


def receive_pair(study: Study, number: int) -> tuple[Recorder, bool]:
    """What one participation received with its only trial, and whether the steered sound was the
    first."""
    client = Recorder(study)
    someone = passages.reach_trials(client, study, PROLIFIC_PID=f"p{number}", SESSION_ID="s")
    [trial] = someone.trials.all()
    own = Recorder(study)
    own.cookies = client.cookies
    own.get(f"/s/{study.slug}/trial/")
    for clip in study.kind.numbers:
        own.get(f"/s/{study.slug}/audio/{trial.token}/{clip}")
    passages.hear(own, study, trial)
    passages.answer(own, study, trial)
    return own, trial.option_order[0] == 0


def pairs_guessed_right() -> dict[str, int]:
    """Kind of features → in how many of forty trials it was guessed which sound is steered.

    One trial a participation: the orders of one participation's trials depend on each other, and
    the limits hold for guesses that do not. As many are received as give twenty of each order.
    """
    study = make_pair_study(
        features=2, trials=2, ratings_per_item=PEOPLE, trials_per_participation=1
    )
    received: dict[bool, list[Recorder]] = {True: [], False: []}
    for number in count():
        one, is_first = receive_pair(study, number)
        received[is_first].append(one)
        if min(map(len, received.values())) >= PEOPLE // 2:
            break
    kept = {order: clients[: PEOPLE // 2] for order, clients in received.items()}
    return guessed(kept[True] + kept[False], [True] * (PEOPLE // 2) + [False] * (PEOPLE // 2))


def test_what_is_received_does_not_tell_which_sound_is_steered() -> None:
    right = pairs_guessed_right()
    assert max(right.values()) <= CHANCE_LIMIT, right


def test_sizes_that_differ_would_tell_which_sound_is_steered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flac, "padded", lambda data, size: data)
    right = pairs_guessed_right()
    assert right["figures"] >= LEAK_LIMIT, right


Plant = Callable[[pytest.MonkeyPatch], None]


def a_longer_page(patch: pytest.MonkeyPatch) -> None:
    """The page of one method has one extra space in a player."""
    honest = trial_page.context

    def told(study: Study, passage: Any, trial: Any, *rest: Any, **named: Any) -> dict[str, Any]:
        context = honest(study, passage, trial, *rest, **named)
        if method_of(trial.participation_id) == METHODS[0]:
            context["players"][0]["peaks"] += " "
        return context

    patch.setattr(trial_page, "context", told)


def a_header(patch: pytest.MonkeyPatch) -> None:
    """The sounds of one method come with an extra header."""
    honest = media.send

    def told(request: Any, *rest: Any, **named: Any) -> HttpResponse:
        response: HttpResponse = honest(request, *rest, **named)
        token = request.path.split("/")[4]
        owner = Participation.objects.get(trials__token=token)
        if method_of(owner.pk) == METHODS[0]:
            response["X-Kept"] = "1"
        return response

    patch.setattr(media, "send", told)


def method_of(participation: int) -> str:
    found = Participation.objects.select_related("condition").get(pk=participation).condition
    return found.method if found else ""


@pytest.fixture(params=[a_longer_page, a_header])
def planted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    request.param(monkeypatch)


def test_a_planted_leak_is_caught(study: Study, planted: None) -> None:
    right = guessed_right(study)
    assert max(right.values()) >= LEAK_LIMIT, right
