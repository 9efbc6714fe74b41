"""Helpers that go through a participant's pages with Django's client."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from studyapp.models import Participation, Study, Trial
from studyapp.participation.selectors import participations as selectors
from studyapp.participation.selectors.trials import progress_of
from studyapp.participation.services import practice


def enter(client: Client, study: Study, **parameters: str) -> Participation:
    """Open the study's link; returns the participation that the cookie now names."""
    response = client.get(f"/s/{study.slug}/", parameters)
    assert response.status_code == 302, response.content
    return Participation.objects.select_related("study").latest("pk")


def reach_trials(client: Client, study: Study, **parameters: str) -> Participation:
    """Go through everything before the first trial, and show that trial."""
    participation = reach(client, study, "trial", **parameters)
    client.get(f"/s/{study.slug}/trial/")
    participation.refresh_from_db()
    return participation


def reach(client: Client, study: Study, step: str, **parameters: str) -> Participation:
    """Go from the link to that step, passing every check on the way."""
    participation = enter(client, study, **parameters)
    while (now := selectors.step_of(participation)) != step:
        pass_step(client, study, participation, now)
        participation.refresh_from_db()
    return participation


def pass_step(client: Client, study: Study, participation: Participation, step: str) -> Any:
    """Do what the current page asks, giving right answers."""
    page = f"/s/{study.slug}/{step}/"
    client.get(page)
    records = {record.step: record.data for record in participation.steps_taken.all()}
    if step in ("trial", "practice"):
        unseen = practice.awaiting_feedback(participation) if step == "practice" else None
        if unseen:
            return client.post(page, {"seen": unseen.token})
        trial = current(participation)
        hear(client, study, trial)
        right = trial.option_order.index(trial.item.target or 0) + 1
        return answer(client, study, trial, page=page, choice=right)
    if step == "headphones":
        trials = records[step]["trials"]
        first = next(trial for trial in trials if trial["given"] is None)
        return client.post(page, {"token": first["token"], "choice": first["answer"]})
    if step == "hearing":
        return client.post(page, {"token": records[step]["token"], **records[step]["targets"]})
    given: dict[str, dict[str, Any]] = {
        "consent": {"decision": "agree"},
        "device": {"sound": "on", "storage": "on", "width": "800"},
        "volume": {"token": records.get("volume", {}).get("token"),
                   "count": records.get("volume", {}).get("target")},
        "instructions": {},
        "questionnaire": {"age_band": "25-34", "training_lessons": "2"},
    }  # fmt: skip
    return client.post(page, {k: v for k, v in given[step].items() if v is not None})


def current(participation: Participation) -> Trial:
    """The current trial, fresh from the database."""
    trial = progress_of(participation).current
    assert trial is not None
    return trial


def hear(client: Client, study: Study, trial: Trial, clips: tuple[int, ...] | None = None) -> None:
    """Send `ended` for the clips, all by default, and pretend that the trial was shown ten minutes
    ago."""
    events = [
        {"trial": trial.token, "clip": clip, "type": "ended", "at_ms": 1000 * clip,
         "sequence": f"{trial.token[:8]}-{clip}"}
        for clip in (study.kind.numbers if clips is None else clips)
    ]  # fmt: skip
    response = client.post(f"/s/{study.slug}/events", events, content_type="application/json")
    assert response.status_code == 200, response.content
    Trial.objects.filter(pk=trial.pk).update(shown_at=timezone.now() - timedelta(minutes=10))


def answer(client: Client, study: Study, trial: Trial, *, page: str = "", **changes: Any) -> Any:
    """Post an answer to the trial as its form would."""
    data = {"trial": trial.token, "key": trial.key, "choice": "2", "confidence": "4"} | changes
    return client.post(page or f"/s/{study.slug}/trial/", data)


def finish(client: Client, study: Study, participation: Participation) -> None:
    """Answer all remaining trials and everything after them."""
    while (trial := progress_of(participation).current) is not None:
        client.get(f"/s/{study.slug}/trial/")
        hear(client, study, trial)
        answer(client, study, trial)
    participation.refresh_from_db()
    while (step := selectors.step_of(participation)) != "thanks":
        pass_step(client, study, participation, step)
        participation.refresh_from_db()


def page_of(response: Any) -> str:
    """The name of the page in `data-page`."""
    found = re.search(r'data-page="(\w+)"', response.content.decode())
    return found.group(1) if found else ""
