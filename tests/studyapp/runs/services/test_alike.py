"""How alike clips sound: from the embeddings that a run stored, beside an intruder's trials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings

from pipeline.clap.store import TRACKS_FILE, digest_of
from pipeline.store.records import table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import TrackRecord
from studyapp.models import Run
from studyapp.runs.services import alike
from studyapp.studies.services import design
from tests.studyapp import factories

pytestmark = pytest.mark.django_db
TRACKS = 40


def embedded(run: Run, *, of: int = TRACKS) -> dict[str, Any]:
    """A run's table of tracks and their embeddings; the first track has none, as a train track."""
    records = [
        TrackRecord(
            track=f"track-{number:04d}", path="", sha256=str(number), seconds=1.0,
            start_seconds=0.0, sample_rate=32_000, artist="", split="validation", tags=(),
            caption="", license="", status="ok", reason="",
        )
        for number in range(TRACKS)
    ]  # fmt: skip
    rows = np.random.default_rng(0).standard_normal((TRACKS, 4)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows[0] = np.nan
    directory = RunDirectory(Path(settings.DATA) / run.directory)
    directory.begin({"config": {}, "key": "k" * 64})
    with directory.writer("corpus") as writer:
        writer.write_table("corpus.parquet", table_of(TrackRecord, records))
    with directory.writer("scores") as writer:
        writer.write_tensors(TRACKS_FILE, {"tracks": rows}, {"tracks": digest_of(records[:of])})
    return {one.track: row for one, row in zip(records[1:], rows[1:], strict=True)}


def intruders(run: Run) -> Any:
    for number in range(TRACKS):
        factories.make_clip(run, number=number)
    factories.make_features(run, count=12, exemplars=4)
    return factories.make_study(
        run=run, features=12, trials_per_participation=5, option_policy="intruder"
    )


def test_an_item_keeps_each_clip_s_mean_cosine_with_the_others() -> None:
    run = factories.make_run(clips=0)
    vectors = embedded(run)
    study = intruders(run)
    known = 0
    for item in study.items.filter(role="main"):
        tracks = [one.clip.track for one in item.stimuli if one.clip]
        found = [sound["clap"] for sound in item.sounds]
        if any(track not in vectors for track in tracks):
            assert found == [None] * 5
            continue
        for place, track in enumerate(tracks):
            others = [vectors[other] for other in tracks if other != track]
            wanted = np.mean([float(vectors[track] @ other) for other in others])
            assert found[place] == pytest.approx(wanted, abs=1e-5)
        known += 1
    assert known >= 10
    assert design.document(study)["items"][0]["sounds"][0].keys() >= {"role", "clap"}


def test_embeddings_of_other_tracks_and_runs_without_any_give_none() -> None:
    assert alike.TRACKS_FILE == TRACKS_FILE
    none, other = (factories.make_run(clips=0) for _ in range(2))
    embedded(other, of=TRACKS - 1)
    for run in (none, other):
        assert alike.embeddings_of(run) == {}
        sounds = [sound for item in intruders(run).items.all() for sound in item.sounds]
        assert {sound["clap"] for sound in sounds} == {None}
