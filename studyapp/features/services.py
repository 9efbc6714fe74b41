"""What workers make of features: the parts of a page, and answers to searches.

Spectrograms and the sounds of quantile tracks are in `EARWITNESS_DATA/views/RUN/`, outside the run
directory, which only the pipeline writes. All of it can be made again: delete the folder together
with the run's rows of `FeatureView`, without which a page has its view made. The embeddings that
searches compare with are there too; a sound that was sent in is deleted when it was answered.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils import timezone

from studyapp.core.errors import RunError
from studyapp.core.storage import write_atomically
from studyapp.features.selectors import features as selectors
from studyapp.features.selectors.searches import KIND as SEARCH
from studyapp.jobs import selectors as job_selectors
from studyapp.jobs.services import jobs
from studyapp.models import Feature, FeatureSearch, FeatureView, Job, Run
from studyapp.runs.services import folders

if TYPE_CHECKING:
    from django.contrib.auth.models import User

KIND = "feature_view"

QUEUE = Job.Queue.CPU
MAX_WAITING = 16
"""Limit on a run's views that wait or are being made. Opening a page requests one, so a script that
opens every page would otherwise fill the queue ahead of everyone else's work."""
MAX_SEARCHES = 4
"""Limit on a run's searches that wait or are under way."""
MAX_WORDS = 300
"""Characters of a search, as in `pipeline.scorers.meaning`."""
MAX_SOUND_BYTES = 2_500_000
"""Of a sound that is sent in; a request has at most 3 MiB."""

SENT = "sent-"
"""What the names of sounds that were sent in begin with."""
LEFT_SECONDS = 3600.0
"""How old a sound is that nothing waits for, before it counts as left behind."""
SWEEP_SECONDS = 600.0
_swept: list[float] = []


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


def ask_words(*, run: Run, words: str, by: User | None) -> FeatureSearch:
    """Have a worker look for features by meaning; what was found before is used again.

    Raises `RunError` for no words, too many, and while too many of the run's searches wait.
    """
    text = " ".join(words.split())
    if not 1 <= len(text) <= MAX_WORDS:
        raise RunError(f"a search has 1 to {MAX_WORDS} characters; this has {len(text)}")
    return _ask(run, FeatureSearch.Kind.WORDS, text, "", by)


def ask_sound(*, run: Run, name: str, data: bytes, by: User | None) -> FeatureSearch:
    """Have a worker send a sound through the run's SAEs.

    Raises `RunError` for an empty or large file, and while too many of the run's searches wait.
    """
    if not 1 <= len(data) <= MAX_SOUND_BYTES:
        raise RunError(
            f"the sound has {len(data):,} bytes; it must have 1 to {MAX_SOUND_BYTES:,}: send a "
            "shorter one, or FLAC, Ogg or MP3"
        )
    digest = hashlib.sha256(data).hexdigest()
    write_atomically(asked_sound(run, digest), data)
    text = " ".join(name.replace("\0", "").split())[:MAX_WORDS] or "a sound"
    try:
        row = _ask(run, FeatureSearch.Kind.SOUND, text, digest, by)
    except RunError:
        _forget_unless_awaited(run, digest)
        raise
    if row.found is not None:
        _forget_unless_awaited(run, digest)
    return row


def _forget_unless_awaited(run: Run, digest: str, *, but: int | None = None) -> None:
    """Delete a sound that no unfinished search reads, but for the search `but`; the same one may be
    sent in twice, under two names."""
    others = FeatureSearch.objects.filter(run=run, sound=digest)
    rows = (others if but is None else others.exclude(pk=but)).values("pk")
    waiting = Job.objects.filter(kind=SEARCH, state__in=Job.UNFINISHED, target__in=rows)
    if not waiting.exists():
        asked_sound(run, digest).unlink(missing_ok=True)


def _ask(run: Run, kind: str, text: str, sound: str, by: User | None) -> FeatureSearch:
    now = timezone.now()
    row, is_new = FeatureSearch.objects.get_or_create(
        run=run, kind=kind, text=text, sound=sound, defaults={"created_by": by, "asked_at": now}
    )
    if row.found is not None and run.finished_at is not None and row.asked_at < run.finished_at:
        row.found, row.asked_at = None, now
        row.save(update_fields=["found", "asked_at"])
    if row.found is None and _enqueue(row) is None:
        if is_new:
            row.delete()
        raise RunError("too many searches of this run wait already: try again in a minute")
    return row


def _enqueue(row: FeatureSearch) -> Job | None:
    """Enqueue a search's job; None if too many of the run's searches wait."""
    own = FeatureSearch.objects.filter(run=row.run_id).values("pk")
    waiting = Job.objects.filter(kind=SEARCH, state__in=Job.UNFINISHED, target__in=own)
    if waiting.exclude(target=row.pk).count() >= MAX_SEARCHES:
        return None
    return jobs.enqueue(kind=SEARCH, target=row.pk, queue=QUEUE)


def answer(row: FeatureSearch, found: Mapping[str, Any]) -> None:
    """Store what a worker found, and delete the sound."""
    row.found = dict(found)
    row.save(update_fields=["found"])
    forget_sound(row)


def forget_sound(row: FeatureSearch) -> None:
    """Delete the sound that was sent in, if there is one: only what was found in it is kept."""
    if row.sound:
        _forget_unless_awaited(row.run, row.sound, but=row.pk)


def sweep_sounds() -> None:
    """Delete sounds that no search waits for any more, as a crash between two steps leaves them."""
    if _swept and time.monotonic() - _swept[-1] < SWEEP_SECONDS:
        return
    _swept[:] = [time.monotonic()]
    waiting = Job.objects.filter(kind=SEARCH, state__in=Job.UNFINISHED).values("target")
    awaited = set(FeatureSearch.objects.filter(pk__in=waiting).values_list("run", "sound"))
    for path in _views().glob(f"*/{SENT}*"):
        try:
            run, age = int(path.parent.name), time.time() - path.stat().st_mtime
        except (OSError, ValueError):  # It was deleted just now; a folder of something else.
            continue
        if age > LEFT_SECONDS and (run, path.name.removeprefix(SENT)) not in awaited:
            path.unlink(missing_ok=True)


def asked_sound(run: Run, digest: str) -> Path:
    """Return the path of a sound that was sent in, by its hash."""
    return folder(run) / f"{SENT}{digest}"


def meanings_file(run: Run) -> Path:
    """Return the path of the embeddings that searches compare with."""
    return folder(run) / "meanings.safetensors"


def store(*, feature: Feature, facts: Mapping[str, Any], notes: Sequence[str]) -> FeatureView:
    """Store the view, replacing an earlier one."""
    view, _ = FeatureView.objects.update_or_create(
        feature=feature, defaults={"facts": dict(facts), "notes": list(notes)}
    )
    return view


def steering_made(run: Run, sae: str) -> float:
    """Return a number that changes when the SAE's steering or its evaluation is written: the sum of
    the files' times; 0 if there are none."""
    files = (f"{sae}.parquet", f"{sae}.effects.parquet")
    return sum(_time_of(_steering(run) / name) for name in files)


def _time_of(path: Path) -> float:
    try:
        return path.stat().st_mtime
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
    return _views() / str(run.pk)


def _views() -> Path:
    return Path(settings.DATA) / "views"


def picture(run: Run, name: str) -> Path:
    """Return the path of the spectrogram of a clip (its hash) or of a track (`track_name`)."""
    return folder(run) / f"{name}.png"


def sound(run: Run, name: str) -> Path:
    """Return the path of the sound of a track that is not an exemplar (`track_name`)."""
    return folder(run) / f"{name}.flac"


def track_name(track: str) -> str:
    """Return a file name for a track: opaque and always valid."""
    return "t" + hashlib.sha256(track.encode()).hexdigest()[:32]
