"""Codes and activations of a tiny random MusicGen against brute force."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.config import SubjectConfig
from pipeline.errors import PipelineError
from pipeline.registry import resolve
from pipeline.subjects import SUBJECTS
from pipeline.subjects.delay import delayed_ids
from pipeline.subjects.transformers_backend import TransformersSubject

POINTS = (
    "decoder.layers.0.resid_post",
    "decoder.layers.1.resid_pre",
    "decoder.layers.1.resid_post",
)


@pytest.fixture(scope="module")
def config(subject_folder: Path) -> SubjectConfig:
    return SubjectConfig(model=str(subject_folder), hookpoints=POINTS)


@pytest.fixture(scope="module")
def subject(config: SubjectConfig) -> TransformersSubject:
    return TransformersSubject(config)


@pytest.fixture(scope="module")
def codes() -> torch.Tensor:
    return torch.randint(0, 64, (2, 4, 40), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", SUBJECTS)
def test_every_backend_keeps_the_contract(name: str, config: SubjectConfig) -> None:
    backend = resolve(SUBJECTS, name, "subject backend")
    loaded = backend(config)
    facts = loaded.facts
    assert facts.fingerprint == backend.fingerprint_of(config)
    audio = torch.randn(2, facts.sample_rate, generator=torch.Generator().manual_seed(0)) * 0.1
    found = loaded.encode(audio)
    assert found.shape == (2, facts.n_codebooks, round(facts.frame_rate))
    hidden = loaded.activations(found, POINTS)
    assert list(hidden) == list(POINTS)
    assert {h.shape for h in hidden.values()} == {(2, found.shape[2], facts.width)}


def test_the_facts_are_the_models(subject: TransformersSubject) -> None:
    facts = subject.facts
    assert (facts.sample_rate, facts.frame_rate, facts.n_codebooks) == (8000, 50.0, 4)
    assert (facts.n_blocks, facts.width, facts.first_full_frame) == (3, 32, 3)


def test_different_sounds_get_different_codes(subject: TransformersSubject) -> None:
    time = torch.arange(8000) / 8000
    audio = torch.stack([torch.sin(6.2832 * 200 * time), torch.sin(6.2832 * 1500 * time)])
    one, other = subject.encode(audio)
    assert (one != other).float().mean() > 0.2


def test_activations_are_those_of_transformers_own_hidden_states(
    subject: TransformersSubject, codes: torch.Tensor
) -> None:
    ids = delayed_ids(codes, special=64).flatten(0, 1)
    with torch.no_grad():
        states = subject._decoder(input_ids=ids, output_hidden_states=True).hidden_states
    found = subject.activations(codes, POINTS)
    for name, index in zip(POINTS, (1, 1, 2), strict=True):
        torch.testing.assert_close(found[name], states[index][:, 1:])


def test_no_encoder_state_is_the_same_as_musicgens_null_condition(
    subject: TransformersSubject, codes: torch.Tensor
) -> None:
    ids = delayed_ids(codes, special=64).flatten(0, 1)
    zeros = torch.zeros(2, 1, 32)
    with torch.no_grad():
        states = subject._decoder(
            input_ids=ids, encoder_hidden_states=zeros, output_hidden_states=True
        ).hidden_states
    found = subject.activations(codes, POINTS)
    torch.testing.assert_close(found[POINTS[2]], states[2][:, 1:])


@pytest.mark.parametrize("codebook", [0, 1, 3])
def test_a_change_of_codes_at_frame_t_changes_frames_from_t_plus_its_delay_on(
    subject: TransformersSubject, codes: torch.Tensor, codebook: int
) -> None:
    changed = codes.clone()
    changed[:, codebook, 20] = (changed[:, codebook, 20] + 1) % 64
    before, after = (subject.activations(c, POINTS)[POINTS[2]] for c in (codes, changed))
    moved = (before - after).abs().amax(dim=(0, 2)) > 1e-6
    assert moved.nonzero()[0].item() == 20 + codebook


def test_the_batch_does_not_mix(subject: TransformersSubject, codes: torch.Tensor) -> None:
    together = subject.activations(codes, POINTS)[POINTS[2]]
    alone = subject.activations(codes[1:], POINTS)[POINTS[2]]
    torch.testing.assert_close(together[1:], alone)


def test_the_forward_ends_at_the_deepest_hookpoint(
    subject: TransformersSubject, codes: torch.Tensor
) -> None:
    reached = []
    handle = subject._decoder.layers[2].register_forward_pre_hook(lambda *_: reached.append(2))
    subject.activations(codes, POINTS)
    handle.remove()
    assert reached == []


def test_a_hookpoint_deeper_than_the_decoder_is_refused(
    subject: TransformersSubject, codes: torch.Tensor
) -> None:
    with pytest.raises(PipelineError, match="the subject has 3 blocks, counted from 0 to 2"):
        subject.activations(codes, ["decoder.layers.3.resid_post"])


@pytest.mark.parametrize(("precision", "tolerance"), [("bfloat16", 0.1), ("float16", 0.02)])
def test_half_precisions_come_close(
    config: SubjectConfig, subject: TransformersSubject, codes: torch.Tensor,
    precision: str, tolerance: float,
) -> None:  # fmt: skip
    half = TransformersSubject(replace(config, precision=precision))
    expected = subject.activations(codes, POINTS)[POINTS[2]]
    found = half.activations(codes, POINTS)[POINTS[2]]
    assert found.dtype == torch.float32
    assert (found - expected).norm() / expected.norm() < tolerance


def test_the_random_control_has_the_codec_but_not_the_decoder(
    config: SubjectConfig, subject: TransformersSubject, codes: torch.Tensor
) -> None:
    control = TransformersSubject(replace(config, control="random"))
    again = TransformersSubject(replace(config, control="random"))
    audio = torch.randn(1, 8000, generator=torch.Generator().manual_seed(0)) * 0.1
    assert torch.equal(control.encode(audio), subject.encode(audio))
    first = control.activations(codes, POINTS)[POINTS[2]]
    assert torch.equal(first, again.activations(codes, POINTS)[POINTS[2]])
    assert not torch.allclose(first, subject.activations(codes, POINTS)[POINTS[2]])
    assert control.facts.fingerprint != subject.facts.fingerprint


def test_a_folders_own_initialisation_is_used_for_the_control(
    subject_folder: Path, tmp_path: Path, codes: torch.Tensor
) -> None:
    for path in subject_folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    stated = {"seed": 5, "embedding_std": 0.4, "initializer_factor": 0.06}
    (tmp_path / "init.json").write_text(json.dumps(stated))
    control = TransformersSubject(
        SubjectConfig(model=str(tmp_path), hookpoints=POINTS, control="random", control_seed=3)
    )
    table = control._decoder.embed_tokens[0].weight
    assert table.std().item() == pytest.approx(0.4, rel=0.1)


def test_a_folder_that_is_no_subject_is_refused_with_what_it_lacks(
    subject_folder: Path, tmp_path: Path
) -> None:
    def load(folder: Path) -> Any:
        return TransformersSubject(SubjectConfig(model=str(folder), hookpoints=POINTS))

    with pytest.raises(PipelineError, match="does not exist"):
        load(tmp_path / "absent")
    with pytest.raises(PipelineError, match=r"has no config\.json"):
        load(tmp_path)
    (tmp_path / "config.json").write_text((subject_folder / "config.json").read_text())
    with pytest.raises(PipelineError, match="has no safetensors weights"):
        load(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"junk")
    with pytest.raises(PipelineError, match="cannot be loaded"):
        load(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    with pytest.raises(PipelineError, match="of type t5, not musicgen"):
        load(tmp_path)


def test_a_hub_that_cannot_be_reached_is_one_line_with_what_to_do() -> None:
    config = SubjectConfig(model="facebook/musicgen-small", hookpoints=POINTS)
    with pytest.raises(PipelineError) as caught:
        TransformersSubject.fingerprint_of(config)
    message = str(caught.value)
    assert "https://huggingface.co/facebook/musicgen-small" in message
    assert "[subject] model" in message
    assert "\n" not in message


def test_threads_that_share_a_subject_each_get_their_own(
    subject: TransformersSubject, codes: torch.Tensor
) -> None:
    several = [(codes + n) % 64 for n in range(24)]
    expected = [subject.activations(c, POINTS)[POINTS[2]] for c in several]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda c: subject.activations(c, POINTS)[POINTS[2]], several))
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
