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
    """What forward passes of the current thread read, replace and change."""

    wanted: frozenset[Place] = frozenset()
    deepest: Place | None = None
    step: int = 0
    """The decoder's step at which the forward pass begins."""
    changes: dict[Place, list[tuple[int, Intervention]]] = {}
    """Interventions, each with the row of the batch that it changes."""
    rows: int = 0
    """Rows of the batch that interventions are for; under guidance the batch has twice as many."""
    frame_rate: float = 1.0
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
    def steered(
        self, rows: Sequence[Sequence[Intervention]], *, frame_rate: float = 1.0
    ) -> Iterator[None]:
        """Within this context, forward passes of this thread carry out interventions, those in
        `rows[i]` on row i of the batch and, under guidance, on its unconditional row too."""
        changes: dict[Place, list[tuple[int, Intervention]]] = {}
        for row, interventions in enumerate(rows):
            for one in interventions:
                changes.setdefault(self.place(one.vector.hookpoint), []).append((row, one))
        thread = self._thread
        thread.changes, thread.rows, thread.frame_rate = changes, len(rows), frame_rate
        try:
            yield
        finally:
            thread.changes, thread.step = {}, 0

    def at_step(self, step: int) -> None:
        """The next forward pass of this thread begins at this step; those before it are cached."""
        self._thread.step = step

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
        if place in thread.changes:
            hidden = changed = _changed(
                hidden, thread.changes[place], thread.rows, thread.step, thread.frame_rate
            )
        if place in thread.wanted:
            thread.found[place] = hidden
            if place == thread.deepest:
                raise _DeepestReached
        return changed


def _changed(
    hidden: torch.Tensor,
    changes: Sequence[tuple[int, Intervention]],
    rows: int,
    first: int,
    frame_rate: float,
) -> torch.Tensor:
    """The stream x [batch, step, d] after interventions on its rows; its first step is `first`."""
    import torch

    guided = len(hidden) == 2 * rows
    if not guided and len(hidden) != rows:
        raise ValueError(f"{rows} rows of interventions, but a batch of {len(hidden)}")
    found = hidden.clone()
    # One pass over the whole batch per dictionary: its shape, and so its rounding, never depends
    # on how many rows have a target.
    latents: dict[int, torch.Tensor] = {}
    for _, one in changes:
        if one.target and id(one.target.latents) not in latents:
            read = one.target.latents(hidden.flatten(0, 1).float())
            latents[id(one.target.latents)] = read.view(*hidden.shape[:2], -1)
    steps = range(first, first + hidden.shape[1])
    for row, one in changes:
        # α w(t), [step, 1], and the direction [d].
        weights = [one.strength * one.weight(step, frame_rate) for step in steps]
        amount = torch.tensor(weights, device=hidden.device)[:, None]
        direction = one.vector.direction.to(amount)
        for place in _places(row, one.halves, rows, guided=guided):
            scaled = amount
            if one.target:
                z = latents[id(one.target.latents)][place, :, one.target.index, None]
                scaled = amount * (one.target.value - z)
            found[place] += (scaled * direction).to(hidden)
    return found


def _places(row: int, halves: str, rows: int, *, guided: bool) -> tuple[int, ...]:
    """Rows of the batch that an intervention changes: under guidance the batch is [conditional;
    unconditional], `rows` each."""
    if not guided:
        return (row,)
    return {"both": (row, rows + row), "conditional": (row,), "unconditional": (rows + row,)}[
        halves
    ]


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
