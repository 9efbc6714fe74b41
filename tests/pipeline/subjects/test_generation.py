"""Generation and interventions, the same rules for every backend."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.config import SubjectConfig
from pipeline.errors import PipelineError
from pipeline.registry import resolve
from pipeline.subjects import SUBJECTS
from pipeline.subjects.base import Generated, Intervention, SteeringVector

POINT = "decoder.layers.1.resid_post"
SECONDS = 0.2


@pytest.fixture(scope="module", params=SUBJECTS)
def subject(request: pytest.FixtureRequest, speaking_folder: Path) -> Any:
    backend = resolve(SUBJECTS, request.param, "subject backend")
    return backend(SubjectConfig(model=str(speaking_folder), hookpoints=(POINT,)))


@pytest.fixture(scope="module")
def plain(subject: Any) -> Generated:
    made: Generated = subject.generate("Simple melody", SECONDS, seed=1)
    return made


def vector(subject: Any, **changed: Any) -> SteeringVector:
    direction = torch.randn(subject.facts.width, generator=torch.Generator().manual_seed(0))
    facts = {"hookpoint": POINT, "subject_fingerprint": subject.facts.fingerprint}
    return SteeringVector(direction, **{**facts, **changed})


def test_length_range_and_seed(subject: Any, plain: Generated) -> None:
    facts = subject.facts
    assert plain.audio.shape == (round(SECONDS * facts.sample_rate),)
    assert plain.codes.shape == (facts.n_codebooks, round(SECONDS * facts.frame_rate))
    assert torch.equal(plain.codes, subject.generate("Simple melody", SECONDS, seed=1).codes)
    assert not torch.equal(plain.codes, subject.generate("Simple melody", SECONDS, seed=2).codes)


def test_even_two_frames_are_music(subject: Any, plain: Generated) -> None:
    made = subject.generate("Simple melody", 2 / subject.facts.frame_rate, seed=1)
    assert made.codes.shape == (subject.facts.n_codebooks, 2)
    assert made.audio.shape == (round(2 * subject.facts.sample_rate / subject.facts.frame_rate),)


@pytest.mark.parametrize("halves", ["both", "conditional"])
def test_strength_zero_changes_no_token(subject: Any, plain: Generated, halves: str) -> None:
    nothing = Intervention(vector(subject), strength=0.0, halves=halves)
    steered = subject.generate("Simple melody", SECONDS, 1, [nothing])
    assert torch.equal(steered.codes, plain.codes)
    assert torch.equal(steered.audio, plain.audio)


def test_a_strong_vector_changes_the_music_and_leaves_no_trace(
    subject: Any, plain: Generated
) -> None:
    steered = subject.generate("Simple melody", SECONDS, 1, [Intervention(vector(subject), 20.0)])
    assert (steered.codes != plain.codes).float().mean() > 0.2
    assert torch.equal(subject.generate("Simple melody", SECONDS, 1).codes, plain.codes)


def test_the_prompt_and_the_halves_that_are_steered_matter(subject: Any, plain: Generated) -> None:
    strong = Intervention(vector(subject), 5.0)
    both = subject.generate("Simple melody", SECONDS, 1, [strong])
    one = subject.generate("Simple melody", SECONDS, 1, [replace(strong, halves="conditional")])
    assert not torch.equal(both.codes, one.codes)
    assert not torch.equal(subject.generate("", SECONDS, 1).codes, plain.codes)


def test_the_vector_is_added_at_its_hookpoint_in_every_row_and_step(subject: Any) -> None:
    codes = torch.randint(0, 64, (2, 4, 12), generator=torch.Generator().manual_seed(2))
    before = subject.activations(codes, [POINT])[POINT]
    half = Intervention(vector(subject), 0.5)
    with subject._stream.steered([half, half]):
        after = subject.activations(codes, [POINT])[POINT]
    expected = before + half.vector.direction
    torch.testing.assert_close(after, expected, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(subject.activations(codes, [POINT])[POINT], before)


def test_only_the_first_half_of_the_batch_is_conditional(subject: Any) -> None:
    codes = torch.zeros((2, 4, 12), dtype=torch.int64)
    before = subject.activations(codes, [POINT])[POINT]
    with subject._stream.steered([Intervention(vector(subject), 1.0, halves="conditional")]):
        after = subject.activations(codes, [POINT])[POINT]
    moved = (after - before).abs().amax(dim=(1, 2))
    assert moved[0] > 0.5
    assert moved[1] == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"subject_fingerprint": "another"}, "belongs to subject another and cannot steer"),
        ({"delay_mapping": "frame=step"}, "belongs to delay mapping frame=step and cannot steer"),
        ({"hookpoint": "decoder.layers.99.resid_pre"}, "blocks, counted from 0 to"),
    ],
)
def test_a_foreign_vector_is_refused(subject: Any, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        subject.generate("", SECONDS, 1, [Intervention(vector(subject, **changed))])


def test_an_unknown_half_and_a_nameless_hookpoint_are_refused(subject: Any) -> None:
    with pytest.raises(PipelineError, match="halves is 'left'; known: both, conditional"):
        Intervention(vector(subject), halves="left")
    with pytest.raises(PipelineError, match="is not of the form"):
        vector(subject, hookpoint="layer 3")


def test_a_subject_without_a_tokenizer_refuses_a_prompt(subject_folder: Path) -> None:
    for name in SUBJECTS:
        backend = resolve(SUBJECTS, name, "subject backend")
        loaded = backend(SubjectConfig(model=str(subject_folder), hookpoints=(POINT,)))
        with pytest.raises(PipelineError, match=r"tokenizer|text encoder"):
            loaded.generate("a piano", SECONDS, 1)
