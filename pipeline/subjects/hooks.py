"""Reads and changes the residual stream of a decoder's blocks, in either library.

Both backends' blocks take the stream [batch, step, d] as their first argument and return it as a
bare tensor. Hooks are registered once, with the model, and consult thread-local state: threads that
share a model do not see each other's forward passes, and no hook is added or removed during one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pipeline.config.sections import parse_hookpoint
from pipeline.errors import PipelineError
from pipeline.subjects.base import Intervention, SubjectFacts

if TYPE_CHECKING:
    import torch
    from torch import nn

Place = tuple[int, bool]
"""Block, and whether after it. Tuples compare in the order in which a forward pass reaches them."""


class _DeepestReached(Exception):  # noqa: N818 - no error: it ends a forward early
    """Everything asked for was read; later blocks need not be computed."""


class _ThisThread(threading.local):
    """What forward passes of the current thread read, replace and add."""

    wanted: frozenset[Place] = frozenset()
    deepest: Place | None = None
    added: dict[Place, list[tuple[torch.Tensor, str]]] = {}
    replaced: dict[Place, Callable[[torch.Tensor], torch.Tensor]] = {}
    found: dict[Place, torch.Tensor] = {}


class ResidualStream:
    """The residual stream of a list of blocks."""

    def __init__(self, blocks: Sequence[nn.Module]) -> None:
        self._n_blocks = len(blocks)
        self._thread = _ThisThread()
        for block, module in enumerate(blocks):
            self._register_hooks(module, (block, False), (block, True))

    def place(self, hookpoint: str) -> Place:
        """The place of a hookpoint; raises `PipelineError` if the decoder has no such block."""
        block, site = parse_hookpoint(hookpoint)
        if block >= self._n_blocks:
            raise PipelineError(
                f"hookpoint {hookpoint}: the subject has {self._n_blocks} blocks, counted "
                f"from 0 to {self._n_blocks - 1}"
            )
        return block, site == "resid_post"

    def read(
        self, hookpoints: Iterable[str], forward: Callable[[], object]
    ) -> dict[str, torch.Tensor]:
        """The stream [batch, step, d] at each hookpoint; `forward` is cut off after the deepest."""
        places = {name: self.place(name) for name in hookpoints}
        thread = self._thread
        # The hooks act on what is set here; the one at the deepest place ends the forward pass.
        thread.wanted, thread.deepest = frozenset(places.values()), max(places.values())
        thread.found = {}
        try:
            forward()
        except _DeepestReached:
            pass
        finally:
            found = thread.found
            thread.wanted, thread.deepest, thread.found = frozenset(), None, {}
        return {name: found[place] for name, place in places.items()}

    @contextmanager
    def steered(self, interventions: Sequence[Intervention]) -> Iterator[None]:
        """Within this context, forward passes of this thread add the interventions' vectors."""
        added: dict[Place, list[tuple[torch.Tensor, str]]] = {}
        for one in interventions:
            # α β W_dec[j], [d]; several interventions at one place add up.
            step = one.strength * one.vector.direction
            added.setdefault(self.place(one.vector.hookpoint), []).append((step, one.halves))
        self._thread.added = added
        try:
            yield
        finally:
            self._thread.added = {}

    @contextmanager
    def replaced(
        self, hookpoint: str, function: Callable[[torch.Tensor], torch.Tensor]
    ) -> Iterator[None]:
        """Within this context, forward passes of this thread put `function` of the stream
        [batch, step, d] in its place."""
        self._thread.replaced = {self.place(hookpoint): function}
        try:
            yield
        finally:
            self._thread.replaced = {}

    def _register_hooks(self, module: nn.Module, before: Place, after: Place) -> None:
        def entering(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
            changed = self._hook(before, inputs[0])
            return None if changed is None else (changed, *inputs[1:])

        # A block returns a bare tensor, not a tuple: output[0] would be batch item 0.
        def leaving(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> torch.Tensor | None:
            return self._hook(after, output)

        module.register_forward_pre_hook(entering)
        module.register_forward_hook(leaving)

    def _hook(self, place: Place, hidden: torch.Tensor) -> torch.Tensor | None:
        """Add and store what is wanted at this place. Return the changed stream, or None if
        unchanged. Steering comes first: what is read is what the next block sees."""
        thread = self._thread
        changed = None
        if place in thread.replaced:
            hidden = changed = thread.replaced[place](hidden)
        for step, halves in thread.added.get(place, ()):
            hidden = changed = _with_vector(hidden, step, halves)
        if place in thread.wanted:
            thread.found[place] = hidden
            if place == thread.deepest:
                raise _DeepestReached
        return changed


def _with_vector(hidden: torch.Tensor, step: torch.Tensor, halves: str) -> torch.Tensor:
    """x + α β W_dec[j] in every step of the stream x [batch, step, d]; `step` is the added [d]."""
    step = step.to(hidden)
    # Under guidance the batch is [conditional; unconditional] in both libraries.
    if halves == "conditional" and len(hidden) > 1:
        conditional = len(hidden) // 2
        hidden = hidden.clone()
        hidden[:conditional] += step
        return hidden
    return hidden + step


def refuse_foreign(interventions: Sequence[Intervention], facts: SubjectFacts) -> None:
    """Raise `PipelineError` if a steering vector has a different subject, delay mapping or
    width."""
    from pipeline.subjects.base import DELAY_MAPPING

    for one in interventions:
        vector = one.vector
        for what, theirs, ours in (
            ("subject", vector.subject_fingerprint, facts.fingerprint),
            ("delay mapping", vector.delay_mapping, DELAY_MAPPING),
            ("width", str(len(vector.direction)), str(facts.width)),
        ):
            if theirs != ours:
                raise PipelineError(
                    f"steering vector of {vector.hookpoint} belongs to {what} {theirs} and cannot "
                    f"steer {what} {ours}"
                )
