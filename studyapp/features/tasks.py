"""Makes a feature's view: figures from the run's files, spectrograms, sounds at quantiles.

Answers searches too: words by the run's CLAP, sounds by its subject and SAEs.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studyapp.core.storage import write_atomically
from studyapp.features import services as views
from studyapp.jobs.services import jobs
from studyapp.models import Feature, FeatureSearch
from studyapp.runs.services import folders

if TYPE_CHECKING:
    from pipeline.config import RunConfig
    from pipeline.store.run_directory import RunDirectory
    from pipeline.store.tables import TrackRecord
    from pipeline.viewing.facts import SaeReader


def work(lease: jobs.JobLease) -> bool:
    """Make the view of the job's feature."""
    from pipeline.errors import PipelineError
    from pipeline.viewing.facts import SaeReader
    from pipeline.viewing.steering import evaluated, steered

    feature = Feature.objects.select_related("run").filter(pk=lease.job.target).first()
    if feature is None:
        raise jobs.WorkError("the feature no longer exists")
    reader = SaeReader(folders.run_directory(feature.run), feature.sae)
    clips = {e.clip.track: e.clip for e in feature.exemplars.select_related("clip")}
    made = views.steering_made(feature.run, feature.sae)
    try:
        facts = reader.facts(feature.index, list(clips))
        amplified = steered(reader.directory, feature.sae, feature.identifier)
        measured = evaluated(reader.directory, feature.sae, feature.identifier)
    except PipelineError as error:
        raise jobs.WorkError(str(error)) from error
    notes: list[str] = []
    for clip in clips.values():
        path = folders.file_of(feature.run, clip.path)
        _draw(path, views.picture(feature.run, clip.sha256), notes)
    for row in facts.quantiles:
        if row.track not in clips:
            _cut(feature, reader, row.track, notes)
    for name in {clip for row in amplified for clip in (row.clip, row.plain_clip)}:
        sound = views.steered_sound(feature.run, feature.sae, name)
        _draw(sound, views.picture(feature.run, name), notes)
    lease.check()
    steering = {
        "steering": [asdict(row) for row in amplified],
        "evaluation": measured,
        "steering_made": made,
    }
    views.store(feature=feature, facts=facts.to_dict() | steering, notes=list(dict.fromkeys(notes)))
    return False


def search(lease: jobs.JobLease) -> bool:
    """Answer the job's search."""
    from pipeline.config import config_from_dict
    from pipeline.errors import PipelineError

    row = FeatureSearch.objects.select_related("run").filter(pk=lease.job.target).first()
    if row is None:
        raise jobs.WorkError("the search no longer exists")
    directory = folders.run_directory(row.run)
    try:
        config = config_from_dict(directory.description("config")["config"])
        is_words = row.kind == FeatureSearch.Kind.WORDS
        found = (_by_words if is_words else _by_sound)(row, config, directory)
    except PipelineError as error:
        views.forget_sound(row)
        raise jobs.WorkError(str(error)) from error
    lease.check()
    views.answer(row, found)
    return False


def _by_words(row: FeatureSearch, config: RunConfig, directory: RunDirectory) -> dict[str, Any]:
    """The nearest features by label and by sound."""
    from pipeline.clap import backends
    from pipeline.progress import SilentProgress
    from pipeline.scorers import meaning

    path = views.meanings_file(row.run)
    stamp = meaning.stamp_of(config, directory)
    known = meaning.Meanings.load(path) if path.is_file() else None
    if known is None or known.stamp != stamp:
        known = meaning.meanings(config, directory, progress=SilentProgress())
        known.save(path)
    query = meaning.embedded(row.text, backends.load(config.clap))
    ways = {way: meaning.found(known, query, by=way) for way in meaning.WAYS}
    return {way: [asdict(one) for one in found] for way, found in ways.items()}


def _by_sound(row: FeatureSearch, config: RunConfig, directory: RunDirectory) -> dict[str, Any]:
    """The features that fire in the sound that was sent in."""
    from pipeline.devices import on_device
    from pipeline.progress import SilentProgress
    from pipeline.viewing.listening import listen

    sound = views.asked_sound(row.run, row.sound)
    if not sound.is_file():
        raise jobs.WorkError("the sound is no longer here: send it again")
    progress = SilentProgress()
    # The run may have been made on a GPU that this worker lacks.
    return listen(on_device(config, None, progress), directory, sound, progress=progress).to_dict()


def _draw(sound: Path, picture: Path, notes: list[str]) -> None:
    """Write the spectrogram of a sound file unless it exists."""
    from pipeline.corpus import audio
    from pipeline.viewing import spectrogram

    if picture.exists():
        return
    try:
        samples, rate = audio.read_clip(sound)
    except audio.AudioError as error:
        notes.append(f"A clip has no spectrogram: {error}.")
        return
    write_atomically(picture, spectrogram.png(samples.mean(axis=0), rate))


def _cut(feature: Feature, reader: SaeReader, track: str, notes: list[str]) -> None:
    """Write the sound and the spectrogram of a corpus track unless they exist."""
    from pipeline.corpus import audio

    name = views.track_name(track)
    target = views.sound(feature.run, name)
    if not target.exists():
        record: TrackRecord = reader.tracks[track]
        corpus = feature.run.config.get("corpus", {}).get("path")
        try:
            if not corpus:
                raise audio.AudioError("the run's config names no corpus folder")
            samples, rate = audio.read_clip(
                Path(corpus) / record.path,
                start_seconds=record.start_seconds,
                seconds=record.seconds,
            )
        except audio.AudioError as error:
            notes.append(f"Tracks at the quantiles cannot be played here: {error}.")
            return
        write_atomically(target, audio.flac_bytes(samples, rate))
    _draw(target, views.picture(feature.run, name), notes)
