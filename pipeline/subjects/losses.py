"""How a subject predicts given codes: with its own stream, another in its place, or steered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.subjects.base import Intervention, Replacement, SubjectFacts
from pipeline.subjects.delay import delayed_ids
from pipeline.subjects.hooks import refuse_foreign

if TYPE_CHECKING:
    from pipeline.subjects.hooks import ResidualStream


def code_losses(
    logits_of: Callable[[], Tensor],
    ids: Tensor,
    stream: ResidualStream,
    hookpoint: str | None,
    put: Replacement | None,
) -> Tensor:
    """Mean cross-entropy per codebook [codebook], float64, in nats.

    `ids` [batch, codebook, step] are the delayed codes (`subjects.delay`); `logits_of` computes the
    forward pass over them, [batch, codebook, step, card]. Step s predicts the codes of step s + 1.
    In the first K steps some codebooks still have special tokens, as nowhere in the activations
    that SAEs are trained on: these steps are neither replaced nor counted.
    """
    first = ids.shape[1]

    def replace(hidden: Tensor) -> Tensor:
        if put is None:
            return hidden
        others = put(hidden[:, first:].flatten(0, 1).float()).to(hidden)
        return torch.cat([hidden[:, :first], others.view_as(hidden[:, first:])], dim=1)

    within = stream.replaced(hookpoint, replace) if hookpoint else nullcontext()
    with torch.inference_mode(), within:
        logits = logits_of()[:, :, first:-1]
    losses = F.cross_entropy(
        logits.permute(0, 3, 1, 2).double(), ids[:, :, first + 1 :], reduction="none"
    )
    return losses.mean(dim=(0, 2)).cpu()


class Steered(Protocol):
    """What `steered_logits` needs of a subject."""

    facts: SubjectFacts
    stream: ResidualStream

    @property
    def special(self) -> int: ...


def steered_logits(
    logits_of: Callable[[Tensor], Tensor],
    codes: Tensor,
    rows: Sequence[Sequence[Intervention]],
    subject: Steered,
) -> Tensor:
    """Logits [row, codebook, step, card] float32, on the CPU, over codes [row, codebook, frame]
    with the interventions of each row, without steps that hold special tokens or follow the last
    frame. Raises `PipelineError` if a vector belongs to a different subject."""
    for interventions in rows:
        refuse_foreign(interventions, subject.facts)
    ids = delayed_ids(codes, special=subject.special)
    within = subject.stream.steered(rows, frame_rate=subject.facts.frame_rate)
    with torch.inference_mode(), within:
        return logits_of(ids)[:, :, ids.shape[1] : -1].float().cpu()
