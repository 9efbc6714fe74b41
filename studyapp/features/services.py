"""What a feature's page shows beyond rows: asked for by the page, made by a worker, kept.

Pictures and the quantile tracks' sounds lie in `EARWITNESS_DATA/views/RUN/`, outside the run
directory, which only the pipeline writes; all of it can be thrown away and is made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings

from studyapp.jobs.services import jobs
from studyapp.models import Feature, FeatureView, Job, Run

KIND = "feature_view"
QUEUE = Job.Queue.CPU
MOST_WAITING = 16
"""Views of one run that wait or are made at a time. Looking at a page asks for one, so that a
script that looks at every page would fill the queue before everybody else's work."""


def request(feature: Feature) -> Job | None:
    """Have the feature's view made; harmless if it is on its way.

    None if so many of the run wait that the page has to ask again later.
    """
    own = Feature.objects.filter(run=feature.run_id).values("pk")
    waiting = Job.objects.filter(kind=KIND, state__in=Job.UNFINISHED, target__in=own)
    if waiting.count() >= MOST_WAITING:
        return waiting.filter(target=feature.pk).first()
    return jobs.enqueue(kind=KIND, target=feature.pk, queue=QUEUE)


def store(*, feature: Feature, facts: Mapping[str, Any], notes: Sequence[str]) -> FeatureView:
    """Keep a view; what was there is replaced."""
    view, _ = FeatureView.objects.update_or_create(
        feature=feature, defaults={"facts": dict(facts), "notes": list(notes)}
    )
    return view


def steering_made(run: Run, sae: str) -> float:
    """When the SAE's steering was written, as the file's own time; 0 if there is none."""
    try:
        return (_steering(run) / f"{sae}.parquet").stat().st_mtime
    except OSError:
        return 0.0


def steered_sound(run: Run, sae: str, clip: str) -> Path:
    """A clip of the run's steering, by its hash."""
    return _steering(run) / sae / "clips" / f"{clip}.flac"


def is_current(feature: Feature, view: FeatureView) -> bool:
    """Whether the view knows of the newest steering: that may come long after the run."""
    return bool(view.facts.get("steering_made", 0.0) == steering_made(feature.run, feature.sae))


def _steering(run: Run) -> Path:
    return Path(settings.DATA) / run.directory / "steering"


def folder(run: Run) -> Path:
    """Where the run's pictures and extra sounds lie."""
    return Path(settings.DATA) / "views" / str(run.pk)


def picture(run: Run, name: str) -> Path:
    """The spectrogram of a clip (its hash) or of a track (`track_name`)."""
    return folder(run) / f"{name}.png"


def sound(run: Run, name: str) -> Path:
    """The sound of a track that is no exemplar (`track_name`)."""
    return folder(run) / f"{name}.flac"


def track_name(track: str) -> str:
    """A track's name as a file's: opaque, always valid."""
    return "t" + hashlib.sha256(track.encode()).hexdigest()[:32]
