"""Helpers that walk a participant's pages with Django's client."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from studyapp.models import Participation, Study, Trial
from studyapp.selectors import participation as selectors


def enter(client: Client, study: Study, **parameters: str) -> Participation:
    """Open the study's link; gives the participation that the cookie now names."""
    response = client.get(f"/s/{study.slug}/", parameters)
    assert response.status_code == 302, response.content
    return Participation.objects.select_related("study").latest("pk")


def reach_trials(client: Client, study: Study, **parameters: str) -> Participation:
    """Through consent and instructions to the first trial, which is shown."""
    participation = enter(client, study, **parameters)
    client.post(f"/s/{study.slug}/consent/", {"decision": "agree"})
    client.post(f"/s/{study.slug}/instructions/")
    client.get(f"/s/{study.slug}/trial/")
    participation.refresh_from_db()
    return participation


def current(participation: Participation) -> Trial:
    """The trial that stands first, fresh from the database."""
    trial = selectors.passage(participation).current
    assert trial is not None
    return trial


def hear(client: Client, study: Study, trial: Trial, clips: tuple[int, ...] = (1, 2, 3)) -> None:
    """Send `ended` for the clips and let the server's clock run ten minutes ahead."""
    events = [
        {"trial": trial.token, "clip": clip, "type": "ended", "at_ms": 1000 * clip,
         "sequence": f"{trial.token[:8]}-{clip}"}
        for clip in clips
    ]  # fmt: skip
    response = client.post(f"/s/{study.slug}/events", events, content_type="application/json")
    assert response.status_code == 200, response.content
    Trial.objects.filter(pk=trial.pk).update(shown_at=timezone.now() - timedelta(minutes=10))


def answer(client: Client, study: Study, trial: Trial, **changes: Any) -> Any:
    """Post an answer to the trial as its form would."""
    data = {"trial": trial.token, "key": trial.key, "choice": "2", "confidence": "4"} | changes
    return client.post(f"/s/{study.slug}/trial/", data)


def finish(client: Client, study: Study, participation: Participation) -> None:
    """Answer every trial that is left."""
    while (trial := selectors.passage(participation).current) is not None:
        client.get(f"/s/{study.slug}/trial/")
        hear(client, study, trial)
        answer(client, study, trial)


def page_of(response: Any) -> str:
    """The name of the page in `data-page`."""
    found = re.search(r'data-page="(\w+)"', response.content.decode())
    return found.group(1) if found else ""
