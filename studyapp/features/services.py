"""The parts of a feature's page that a worker makes when the page is first opened.

Spectrograms and the sounds of quantile tracks are in `EARWITNESS_DATA/views/RUN/`, outside the run
directory, which only the pipeline writes. All of it can be made again: delete the folder together
with the run's rows of `FeatureView`, without which a page has its view made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings

from studyapp.features.selectors import features as selectors
from studyapp.jobs import selectors as job_selectors
from studyapp.jobs.services import jobs
from studyapp.models import Feature, FeatureView, Job, Run
from studyapp.runs.services import folders

KIND = "feature_view"
QUEUE = Job.Queue.CPU
MAX_WAITING = 16
"""Limit on a run's views that wait or are being made. Opening a page requests one, so a script that
opens every page would otherwise fill the queue ahead of everyone else's work."""


def current_view(feature: Feature) -> tuple[FeatureView | None, Job | None]:
    """Return the feature's view, or request it and return its job.

    A job that failed or was stopped is returned as it is: only a person can request it again. Both
    are None if too many of the run's views wait; the page then asks again later.
    """
    view = selectors.view_of(feature)
    if view is not None and is_current(feature, view):
        return view, None
    job = job_selectors.newest(kind=KIND, target=feature.pk)
    if job is None or job.state not in (Job.State.FAILED, Job.State.STOPPED):
        job = request(feature)
    return None, job


def request(feature: Feature) -> Job | None:
    """Have a worker make the feature's view; does nothing if that is under way.

    Returns None if too many of the run's views wait.
    """
    own = Feature.objects.filter(run=feature.run_id).values("pk")
    waiting = Job.objects.filter(kind=KIND, state__in=Job.UNFINISHED, target__in=own)
    if waiting.count() >= MAX_WAITING:
        return waiting.filter(target=feature.pk).first()
    return jobs.enqueue(kind=KIND, target=feature.pk, queue=QUEUE)


def store(*, feature: Feature, facts: Mapping[str, Any], notes: Sequence[str]) -> FeatureView:
    """Store the view, replacing an earlier one."""
    view, _ = FeatureView.objects.update_or_create(
        feature=feature, defaults={"facts": dict(facts), "notes": list(notes)}
    )
    return view


def steering_made(run: Run, sae: str) -> float:
    """Return when the SAE's steering was written (the file's time); 0 if there is none."""
    try:
        return (_steering(run) / f"{sae}.parquet").stat().st_mtime
    except OSError:
        return 0.0


def steered_sound(run: Run, sae: str, clip: str) -> Path:
    """Return the path of a clip from the run's steering, by its hash."""
    return folders.file_of(run, f"steering/{sae}/clips/{clip}.flac")


def is_current(feature: Feature, view: FeatureView) -> bool:
    """Whether the view includes the newest steering, which may be made long after the run."""
    return bool(view.facts.get("steering_made", 0.0) == steering_made(feature.run, feature.sae))


def _steering(run: Run) -> Path:
    return Path(settings.DATA) / run.directory / "steering"


def folder(run: Run) -> Path:
    """Return the folder of the run's spectrograms and extra sounds."""
    return Path(settings.DATA) / "views" / str(run.pk)


def picture(run: Run, name: str) -> Path:
    """Return the path of the spectrogram of a clip (its hash) or of a track (`track_name`)."""
    return folder(run) / f"{name}.png"


def sound(run: Run, name: str) -> Path:
    """Return the path of the sound of a track that is not an exemplar (`track_name`)."""
    return folder(run) / f"{name}.flac"


def track_name(track: str) -> str:
    """Return a file name for a track: opaque and always valid."""
    return "t" + hashlib.sha256(track.encode()).hexdigest()[:32]
