"""Generation and interventions, the same rules for every backend."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.config import SubjectConfig
from pipeline.errors import PipelineError
from pipeline.registry import resolve
from pipeline.subjects import SUBJECTS
from pipeline.subjects.base import (
    Generated,
    Intervention,
    Request,
    Sampling,
    SteeringVector,
    Target,
)

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
    return SteeringVector(**{"direction": direction, **facts, **changed})


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


def latents(frames: torch.Tensor) -> torch.Tensor:
    """A dictionary of eight directions, [frame, latent]."""
    made = torch.randn(frames.shape[1], 8, generator=torch.Generator().manual_seed(5))
    return (frames @ made).relu()


MODES: dict[str, dict[str, Any]] = {
    "add": {},
    "conditional": {"halves": "conditional"},
    "unconditional": {"halves": "unconditional"},
    "clamp": {"target": Target(latents, 3, 40.0)},
    "ablate": {"target": Target(latents, 3, 0.0)},
    "prefill": {"when": "prefill"},
    "decode": {"when": "decode"},
    "schedule": {"schedule": ((0.0, 0.0), (0.1, 1.0))},
}


@pytest.mark.parametrize("mode", MODES)
def test_strength_zero_changes_no_token(subject: Any, plain: Generated, mode: str) -> None:
    """In any mode, where strength 20 changes some."""
    nothing = Intervention(vector(subject), strength=0.0, **MODES[mode])
    strong = replace(nothing, strength=20.0)
    requests = [Request("Simple melody", 1, (one,)) for one in (nothing, strong)]
    found, moved = subject.generate_many(requests, SECONDS)
    assert torch.equal(found.codes, plain.codes)
    assert torch.equal(found.audio, plain.audio)
    assert not torch.equal(moved.codes, plain.codes)


def test_many_clips_at_once_are_the_clips_one_by_one(subject: Any) -> None:
    """Prompts of two lengths and none, seeds and interventions in one call, in its order."""
    added, clamped = (Intervention(vector(subject), 4.0, **MODES[m]) for m in ("add", "clamp"))
    requests = [
        Request("Simple melody", 1),
        Request("", 1, (added,)),
        Request("a slow piano", 2, (clamped,)),
        Request("fast melody", 2, (added, clamped)),
        Request("Simple melody", 1, (added,)),
        Request("Simple melody", 3),
    ]
    many = subject.generate_many(requests, SECONDS, rows=4)
    assert len({tuple(one.codes.flatten().tolist()) for one in many}) == len(requests)
    for request, one in zip(requests, many, strict=True):
        (single,) = subject.generate_many([request], SECONDS, rows=4)
        assert torch.equal(one.codes, single.codes)
        assert torch.equal(one.audio, single.audio)


def test_a_decoder_that_forgets_goes_on_from_the_codes_as_if_nothing_had_been_added(
    subject: Any,
) -> None:
    """After the stop every code is the most likely one after the codes before it, in a forward pass
    without interventions; while its memory of the steered steps lasts, some codes are others."""
    stop, greedy = 6, Sampling(guidance=1.0, top_k=1)
    rate = subject.facts.frame_rate
    ending = ((stop - 0.75) / rate, 1.0), ((stop - 0.25) / rate, 0.0)
    strong = Intervention(vector(subject), 20.0, schedule=ending)
    kept, forgotten = (
        subject.generate_many([Request("", 1, (strong,), step)], 0.6, sampling=greedy)[0].codes
        for step in (0, stop)
    )
    books = subject.facts.n_codebooks
    # Logits of step s, from K on, are those of codebook q of frame s − q.
    for codes, alike in ((kept, False), (forgotten, True)):
        likely = subject.steered_logits(codes[None], [()])[0].argmax(-1)
        agree = [
            bool(likely[book, step - books] == codes[book, step - book])
            for step in range(stop, codes.shape[1])
            for book in range(books)
        ]
        assert all(agree) == alike
    assert torch.equal(kept[0, :stop], forgotten[0, :stop])


def test_forgetting_without_interventions_changes_no_token(subject: Any, plain: Generated) -> None:
    """In a batch with clips that do not forget, too."""
    requests = [Request("Simple melody", 1, (), step) for step in (0, 4, 1000)]
    for made in subject.generate_many(requests, SECONDS):
        assert torch.equal(made.codes, plain.codes)


def test_a_seed_means_the_same_in_both_libraries(speaking_folder: Path) -> None:
    config = SubjectConfig(model=str(speaking_folder), hookpoints=(POINT,))
    found = []
    for name in SUBJECTS:
        subject = resolve(SUBJECTS, name, "subject backend")(config)
        steered = Request("a slow piano", 3, (Intervention(vector(subject), 3.0),))
        found.append(subject.generate_many([steered, Request("", 4)], SECONDS))
    for ours, theirs in zip(*found, strict=True):
        assert torch.equal(ours.codes, theirs.codes)
        torch.testing.assert_close(ours.audio, theirs.audio, atol=1e-4, rtol=0)


def test_the_most_likely_codes_are_those_of_the_library_itself(subject: Any) -> None:
    """transformers' and audiocraft's own loops, with guidance and without sampling."""
    made = subject.generate("a slow piano", SECONDS, 1, sampling=Sampling(top_k=1))
    frames = made.codes.shape[1]
    with torch.inference_mode():
        if hasattr(subject, "_lm"):
            attributes = sys.modules["audiocraft"].modules.conditioners.ConditioningAttributes
            asked = [attributes(text={"description": "a slow piano"})]
            own = subject._lm.generate(
                conditions=asked, max_gen_len=frames, use_sampling=False, cfg_coef=3.0
            )
            assert torch.equal(made.codes, own[0])
        else:
            tokens = subject._tokenizer(["a slow piano"], return_tensors="pt")
            own = subject._whole.generate(
                **tokens, guidance_scale=3.0, do_sample=False, max_length=frames + 4
            )
            samples = len(made.audio)
            torch.testing.assert_close(made.audio, own[0, 0, :samples], atol=1e-5, rtol=0)


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
    with subject.stream.steered([[half, half]] * 2):
        after = subject.activations(codes, [POINT])[POINT]
    expected = before + half.vector.direction
    torch.testing.assert_close(after, expected, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(subject.activations(codes, [POINT])[POINT], before)


def test_only_the_first_half_of_the_batch_is_conditional(subject: Any) -> None:
    codes = torch.zeros((2, 4, 12), dtype=torch.int64)
    before = subject.activations(codes, [POINT])[POINT]
    with subject.stream.steered([[Intervention(vector(subject), 1.0, halves="conditional")]]):
        after = subject.activations(codes, [POINT])[POINT]
    moved = (after - before).abs().amax(dim=(1, 2))
    assert moved[0] > 0.5
    assert moved[1] == 0


def test_a_target_moves_what_one_latent_writes_and_nothing_else(subject: Any) -> None:
    """x' = x + (v − z) d: the rest of the stream stays, and with it the reconstruction error."""
    codes = torch.randint(0, 64, (1, 4, 12), generator=torch.Generator().manual_seed(2))
    before = subject.activations(codes, [POINT])[POINT]
    z = latents(before[0])[:, 3, None]
    assert z.max() > 0
    for value in (0.0, 7.0):
        one = Intervention(vector(subject), 0.5, target=Target(latents, 3, value))
        with subject.stream.steered([[one]]):
            after = subject.activations(codes, [POINT])[POINT]
        expected = before[0] + 0.5 * (value - z) * one.vector.direction
        torch.testing.assert_close(after[0], expected, atol=1e-4, rtol=1e-5)


def test_steps_and_schedule_weigh_each_step(subject: Any) -> None:
    """Frame f is step f + 1; the schedule's times are those of the frame that a step samples."""
    codes = torch.randint(0, 64, (1, 4, 12), generator=torch.Generator().manual_seed(2))
    before = subject.activations(codes, [POINT])[POINT]
    ramp = ((2.0, 0.0), (4.0, 1.0))
    expected = {
        "all": torch.tensor([0.0, 0.0, 0.5] + [1.0] * 9),
        "decode": torch.tensor([0.0, 0.0, 0.5] + [1.0] * 9),
        "prefill": torch.zeros(12),
    }
    for when, weights in expected.items():
        one = Intervention(vector(subject), when=when, schedule=ramp)
        with subject.stream.steered([[one]], frame_rate=1.0):
            after = subject.activations(codes, [POINT])[POINT]
        moved = (after - before)[0] @ one.vector.direction / one.vector.direction.square().sum()
        torch.testing.assert_close(moved, weights, atol=1e-4, rtol=0)
    assert Intervention(vector(subject), when="prefill").weight(0, 50.0) == 1.0
    with pytest.raises(PipelineError, match="each must be later than the one before"):
        Intervention(vector(subject), schedule=((1.0, 0.0), (0.5, 1.0)))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"subject_fingerprint": "another"}, "belongs to subject another and cannot steer"),
        ({"delay_mapping": "frame=step"}, "belongs to delay mapping frame=step and cannot steer"),
        ({"hookpoint": "decoder.layers.99.resid_pre"}, "blocks, counted from 0 to"),
        ({"direction": torch.ones(31)}, "belongs to width 31 and cannot steer width 32"),
    ],
)
def test_a_foreign_vector_is_refused(subject: Any, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        subject.generate("", SECONDS, 1, [Intervention(vector(subject, **changed))])


def test_an_unknown_half_and_a_nameless_hookpoint_are_refused(subject: Any) -> None:
    with pytest.raises(PipelineError, match="halves is 'left'; known: both, conditional, unc"):
        Intervention(vector(subject), halves="left")
    with pytest.raises(PipelineError, match="is not of the form"):
        vector(subject, hookpoint="layer 3")


def test_a_subject_without_a_tokenizer_refuses_a_prompt(subject_folder: Path) -> None:
    for name in SUBJECTS:
        backend = resolve(SUBJECTS, name, "subject backend")
        loaded = backend(SubjectConfig(model=str(subject_folder), hookpoints=(POINT,)))
        with pytest.raises(PipelineError, match=r"tokenizer|text encoder"):
            loaded.generate("a piano", SECONDS, 1)
