"""The cross-entropy of given codes, with the subject's own stream or another in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from pipeline.config import SubjectConfig
from pipeline.errors import PipelineError
from pipeline.registry import resolve
from pipeline.subjects import SUBJECTS
from pipeline.subjects.delay import delayed_ids
from pipeline.subjects.transformers_backend import TransformersSubject

POINT = "decoder.layers.1.resid_post"
CODES = torch.randint(0, 64, (2, 4, 12), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module", params=SUBJECTS)
def subject(request: pytest.FixtureRequest, subject_folder: Path) -> Any:
    backend = resolve(SUBJECTS, request.param, "subject backend")
    return backend(SubjectConfig(model=str(subject_folder), hookpoints=(POINT,)))


def slow_losses(subject_folder: Path) -> torch.Tensor:
    """−ln p(code), one code after another, from step 4 on, where no input is a special token."""
    model = TransformersSubject(SubjectConfig(str(subject_folder), (POINT,)))._language_model
    ids = delayed_ids(CODES, special=64)
    with torch.no_grad():
        logits = model(input_ids=ids.flatten(0, 1)).logits.view(2, 4, 13, 64)
    found: list[list[float]] = [[], [], [], []]
    for item in range(2):
        for book in range(4):
            for step in range(4, 12):
                chances = F.log_softmax(logits[item, book, step], dim=0)
                # Step s predicts what stands at step s + 1: codebook q of frame s − q.
                found[book].append(-float(chances[CODES[item, book, step - book]]))
    return torch.tensor([sum(each) / len(each) for each in found], dtype=torch.float64)


def test_losses_are_those_of_every_code_in_every_backend(
    subject: Any, subject_folder: Path
) -> None:
    expected = slow_losses(subject_folder)
    torch.testing.assert_close(subject.code_losses(CODES), expected, rtol=1e-4, atol=1e-4)


def test_the_stream_is_replaced_at_the_hookpoint_only_in_steps_without_special_tokens(
    subject: Any,
) -> None:
    intact, seen = subject.code_losses(CODES), []

    def note(x: torch.Tensor) -> torch.Tensor:
        seen.append(x)
        return x

    assert torch.equal(subject.code_losses(CODES, POINT, note), intact)
    stream = subject.activations(CODES, [POINT])[POINT]
    torch.testing.assert_close(seen[0].view(2, 9, 32), stream[:, 3:], rtol=1e-5, atol=1e-5)
    changed = subject.code_losses(CODES, POINT, torch.zeros_like)
    assert (changed != intact).all()
    # Nothing of it is left for the next forward pass.
    assert torch.equal(subject.code_losses(CODES), intact)
    with pytest.raises(PipelineError, match="the subject has 3 blocks"):
        subject.code_losses(CODES, "decoder.layers.7.resid_post", note)
