"""What a run's steering made becomes rows, however often it is read."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from django.core.management import call_command

from pipeline.store.records import table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.steering_tables import SteeringRecord
from studyapp.core.errors import RunError
from studyapp.models import Item, Run, SteeredClip, Study
from studyapp.runs.services import imports, steered
from tests.studyapp import run_directories
from tests.studyapp.run_directories import HOOKPOINT, SAE

pytestmark = pytest.mark.django_db


def clip(directory: RunDirectory, writer: Any, seed: int) -> str:
    buffer = io.BytesIO()
    samples = 0.1 * np.random.default_rng(seed).standard_normal(16_000)
    soundfile.write(buffer, samples, 32_000, format="FLAC")
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    writer.write_bytes(f"steering/{SAE}/clips/{digest}.flac", buffer.getvalue())
    return digest


def steer(directory: RunDirectory, *, alphas: tuple[float, ...] = (1.0,), **changes: Any) -> None:
    """Write steering of every feature, two seeds, as the command does."""
    with directory.writer("steering") as writer:
        plain = {seed: clip(directory, writer, 500 + seed) for seed in (0, 1)}
        records = [
            SteeringRecord(
                feature=f"{SAE}/{index}", hookpoint=HOOKPOINT, alpha=alpha, beta=2.0, halves="both",
                prompt="Simple melody", seed=seed, seconds=0.5, plain_clip=plain[seed],
                clip=clip(directory, writer, int(1000 * (index + 1) + 10 * alpha + seed)),
                changed_share=0.5, intervention="add",
            )
            for index in range(3)
            for alpha in alphas
            for seed in (0, 1)
        ]  # fmt: skip
        records.append(replace(records[0], feature="pair/tempo", intervention="mean-difference"))
        records = [replace(one, **changes) for one in records]
        writer.write_table(f"steering/{SAE}.parquet", table_of(SteeringRecord, records))


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    return run_directories.make(tmp_path / "run")


@pytest.fixture
def run(directory: RunDirectory) -> Run:
    return imports.import_run(directory=directory.path, name="steered")


def test_a_run_without_steering_has_no_steered_clips(run: Run) -> None:
    assert steered.refresh(run) == 0


def test_rows_follow_the_newest_steering(run: Run, directory: RunDirectory) -> None:
    steer(directory, alphas=(1.0, 2.0))
    assert steered.refresh(run) == 3 * 2 * 2
    assert set(SteeredClip.objects.values_list("feature__identifier", flat=True)) == {
        f"{SAE}/{index}" for index in range(3)
    }
    assert len(set(SteeredClip.objects.values_list("plain", flat=True))) == 2
    steer(directory, alphas=(0.5,))
    assert steered.refresh(run) == steered.refresh(run) == 3 * 2
    assert set(SteeredClip.objects.values_list("strength", flat=True)) == {0.5}


def test_a_clip_that_is_no_hash_is_refused(run: Run, directory: RunDirectory) -> None:
    steer(directory, clip="../../run")
    with pytest.raises(RunError, match="not a SHA-256"):
        steered.refresh(run)
    assert not SteeredClip.objects.exists()


def test_the_command_makes_a_study_of_pairs(run: Run, directory: RunDirectory) -> None:
    steer(directory)
    call_command(
        "create_study", "steered", slug="pairs", option_policy="pair", methods="corpus-tags",
        features_wanted=3, trials_per_participation=2, contrasts="add@1/plain", open=True,
    )  # fmt: skip
    study = Study.objects.get(slug="pairs")
    items = study.items.filter(role=Item.Role.MAIN)
    assert (study.state, items.count()) == ("open", 3)
    assert set(items.values_list("prompt", flat=True)) == {
        f"name 1 of {SAE}/{index}" for index in range(3)
    }
