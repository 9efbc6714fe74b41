"""What stands in for a subject: the same for every backend, and never taken for the subject."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.config import SubjectConfig
from pipeline.config.sections import CONTROLS
from pipeline.errors import PipelineError
from pipeline.progress import SilentProgress
from pipeline.recovery.benchmark import STANDIN_COLUMNS
from pipeline.stages.steering import steer
from pipeline.steering.settings import SteeringConfig
from pipeline.store.run_directory import RunDirectory
from pipeline.subjects import STANDINS, SUBJECTS, fingerprint_of, load_subject

POINT = "decoder.layers.1.resid_post"


def config_of(folder: Path, **changes: Any) -> SubjectConfig:
    return SubjectConfig(model=str(folder), hookpoints=(POINT,), **changes)


def test_every_control_of_the_config_is_known_and_has_its_column() -> None:
    assert ("none", "random", *STANDINS) == CONTROLS
    assert set(STANDIN_COLUMNS) == set(STANDINS)


@pytest.mark.parametrize("backend", SUBJECTS)
def test_every_stand_in_has_a_fingerprint_of_its_own(backend: str, subject_folder: Path) -> None:
    prints = set()
    for control in ("none", *STANDINS):
        config = config_of(subject_folder, backend=backend, control=control)
        loaded = load_subject(config, device="cpu")
        assert loaded.facts.fingerprint == fingerprint_of(config)
        prints.add(loaded.facts.fingerprint)
    assert len(prints) == 1 + len(STANDINS)


@pytest.mark.parametrize("control", STANDINS)
def test_a_stand_in_gives_vectors_as_wide_as_it_says_at_the_subjects_frame_rate(
    control: str, subject_folder: Path
) -> None:
    found = {}
    for backend in SUBJECTS:
        config = config_of(subject_folder, backend=backend, control=control)
        subject = load_subject(config, device="cpu")
        sound = torch.randn(2, 8000, generator=torch.Generator().manual_seed(0))
        vectors = subject.activations(subject.encode(sound), [POINT])[POINT]
        assert vectors.shape == (2, 50, subject.facts.width)
        assert vectors.dtype == torch.float32
        found[backend] = vectors
    torch.testing.assert_close(found["transformers"], found["audiocraft"], rtol=1e-3, atol=1e-3)


def test_codec_latents_are_the_sum_of_the_codes_vectors(subject_folder: Path) -> None:
    subject = load_subject(config_of(subject_folder, control="codec-latents"), device="cpu")
    codes = torch.randint(64, (1, 4, 6), generator=torch.Generator().manual_seed(1))
    tables = [layer.codebook.embed for layer in subject._subject._codec.quantizer.layers]
    expected = sum(tables[q][codes[0, q]] for q in range(4))
    torch.testing.assert_close(subject.activations(codes, [POINT])[POINT][0], expected)


def test_a_control_cannot_be_steered(run_copy: Path) -> None:
    """It has no music to make, and says so before anything is loaded."""
    run = json.loads((run_copy / "run.json").read_text())
    run["config"]["subject"]["control"] = "mel-spectrogram"
    (run_copy / "run.json").write_text(json.dumps(run))
    with pytest.raises(PipelineError, match=r"mel-spectrogram.*cannot generate music"):
        steer(SteeringConfig(), RunDirectory(run_copy), progress=SilentProgress())
