"""What both backends do alike once their library gives logits: losses, steered logits and clips."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from pipeline.subjects.base import (
    DEFAULT_SAMPLING,
    Generated,
    Intervention,
    Replacement,
    Request,
    Sampling,
    SubjectFacts,
)

if TYPE_CHECKING:
    import torch

    from pipeline.subjects.hooks import ResidualStream


class Backend(ABC):
    """A part of `pipeline.subjects.base.Subject`, in terms of what is abstract here."""

    facts: SubjectFacts
    stream: ResidualStream
    _device: str

    @property
    @abstractmethod
    def special(self) -> int:
        """The token where a codebook holds no code."""

    @abstractmethod
    def _logits(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits [batch, codebook, step, card] over delayed codes [batch, codebook, step]."""

    @abstractmethod
    def text_states(self, prompt: str) -> torch.Tensor:
        """What cross-attention reads of a prompt, [token, d]."""

    @abstractmethod
    def stepping(
        self, states: torch.Tensor | None
    ) -> AbstractContextManager[Callable[[torch.Tensor], torch.Tensor]]:
        """Forward passes, one step at a time, for text states [row, token, d]; None is no text."""

    @abstractmethod
    def play(self, codes: torch.Tensor) -> torch.Tensor:
        """Audio [row, sample] float32, on the CPU, of codes [row, codebook, frame]."""

    def code_losses(
        self, codes: torch.Tensor, hookpoint: str | None = None, put: Replacement | None = None
    ) -> torch.Tensor:
        """Mean cross-entropy of the next code per codebook [codebook]; unconditional."""
        from pipeline.subjects.delay import delayed_ids
        from pipeline.subjects.losses import code_losses

        ids = delayed_ids(codes, special=self.special).to(self._device)
        return code_losses(lambda: self._logits(ids), ids, self.stream, hookpoint, put)

    def steered_logits(
        self, codes: torch.Tensor, rows: Sequence[Sequence[Intervention]]
    ) -> torch.Tensor:
        """Logits [row, codebook, step, card] of the next codes; unconditional."""
        from pipeline.subjects.losses import steered_logits

        return steered_logits(self._logits, codes.to(self._device), rows, self)

    def generate(
        self,
        prompt: str,
        seconds: float,
        seed: int,
        interventions: Sequence[Intervention] = (),
        *,
        sampling: Sampling = DEFAULT_SAMPLING,
    ) -> Generated:
        """Music for a prompt; with an empty prompt, unconditional music."""
        request = Request(prompt, seed, tuple(interventions))
        return self.generate_many([request], seconds, sampling=sampling)[0]

    def generate_many(
        self,
        requests: Sequence[Request],
        seconds: float,
        *,
        sampling: Sampling = DEFAULT_SAMPLING,
        rows: int | None = None,
    ) -> list[Generated]:
        """The clips of all requests, in their order; see `subjects.decoding`."""
        from pipeline.subjects.decoding import generate_all

        return generate_all(self, requests, seconds, sampling=sampling, rows=rows)
