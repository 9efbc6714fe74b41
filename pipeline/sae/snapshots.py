"""A training on disk, from which it continues to the bit.

A snapshot has everything that a step reads: weights, both moments of Adam, the count of silent
frames, the number of steps done, the place in the sequence of batches, the curve so far. It is
valid for one SAE of one config on one set of activations with one version of torch (its `key`); any
other is ignored, and the training starts from the beginning. Snapshots lie outside the manifest,
and go when the stage is done.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from pipeline.sae.frames import Position
from pipeline.sae.model import TopKSae
from pipeline.sae.ranks import Ranks
from pipeline.store.tables import TrainingRecord
from pipeline.store.writers import Scratch

MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Resumed:
    """Where a training continues; weights and optimiser were restored in place."""

    step: int
    position: Position
    history: list[TrainingRecord]


class Snapshots(Protocol):
    """Where the snapshots of one SAE's training go; the newest replaces the one before."""

    def due(self, step: int, *, last: bool) -> bool:
        """Whether a snapshot is taken after this many steps."""

    def load(self, sae: TopKSae, optimiser: torch.optim.Adam, silent: Tensor) -> Resumed | None:
        """Restore all three in place; None, and nothing changed, if there is no snapshot."""

    def save(
        self, sae: TopKSae, optimiser: torch.optim.Adam, silent: Tensor, *,
        step: int, position: Position, history: Sequence[TrainingRecord],
    ) -> None:  # fmt: skip
        """Store them."""


class NoSnapshots:
    """Nothing is stored."""

    def due(self, step: int, *, last: bool) -> bool:
        """Never."""
        return False

    def load(self, sae: TopKSae, optimiser: torch.optim.Adam, silent: Tensor) -> Resumed | None:
        """Nothing to load."""
        return None

    def save(
        self, sae: TopKSae, optimiser: torch.optim.Adam, silent: Tensor, *,
        step: int, position: Position, history: Sequence[TrainingRecord],
    ) -> None:  # fmt: skip
        """Nothing is stored."""


@dataclass(frozen=True)
class StoredSnapshots:
    """Snapshots in a run's scratch space, every `every` steps (0: of the last only)."""

    scratch: Scratch
    name: str
    key: str
    """What the training depends on; `torch.__version__` is added."""
    every: int

    def due(self, step: int, *, last: bool) -> bool:
        """After every `every` steps, and after the last."""
        return last or (self.every > 0 and step % self.every == 0)

    def load(self, sae: TopKSae, optimiser: torch.optim.Adam, silent: Tensor) -> Resumed | None:
        """Restore a snapshot with the same key."""
        found = self.scratch.load(self.name)
        if found is None or found[1].get("key") != self._key:
            return None
        tensors = {name: torch.from_numpy(array) for name, array in found[0].items()}
        state = json.loads(found[1]["state"])
        with torch.no_grad():
            silent.copy_(tensors["silent"])
            for name, weight in sae.named_parameters():
                weight.copy_(tensors[name])
                held = optimiser.state[weight] = _adam_state(weight)
                held["step"].copy_(tensors[f"{name}.step"])
                for moment in MOMENTS:
                    held[moment].copy_(tensors[f"{name}.{moment}"])
        return _resumed(state, tensors["order"])

    def save(
        self, sae: TopKSae, optimiser: torch.optim.Adam, silent: Tensor, *,
        step: int, position: Position, history: Sequence[TrainingRecord],
    ) -> None:  # fmt: skip
        """Replace the snapshot before."""
        tensors = {"silent": silent, "order": position.order}
        for name, weight in sae.named_parameters():
            held = optimiser.state[weight]
            tensors |= {name: weight.detach(), f"{name}.step": held["step"]}
            tensors |= {f"{name}.{moment}": held[moment] for moment in MOMENTS}
        state = _in_json(Resumed(step, position, list(history)))
        arrays: dict[str, np.ndarray] = {key: value.cpu().numpy() for key, value in tensors.items()}
        self.scratch.save(self.name, arrays, {"key": self._key, "state": json.dumps(state)})

    @property
    def _key(self) -> str:
        return f"{self.key} torch {torch.__version__}"


def shared(
    found: Resumed | None,
    sae: TopKSae,
    optimiser: torch.optim.Adam,
    silent: Tensor,
    ranks: Ranks,
) -> Resumed | None:
    """Where the first process continues, whose weights, moments and silent frames all others take.

    Only the first process reads snapshots: another machine may not see the newest one yet.
    """
    if ranks.count == 1:
        return found
    own = None if found is None else [_in_json(found), found.position.order.tolist()]
    state = ranks.agreed(own)
    ranks.overwrite(sae.parameters())
    if state is None:
        return None
    ranks.overwrite([silent])
    for weight in sae.parameters():
        held = optimiser.state[weight] = optimiser.state[weight] or _adam_state(weight)
        ranks.overwrite(held[name] for name in ("step", *MOMENTS))
    return _resumed(state[0], torch.tensor(state[1], dtype=torch.uint8))


def _adam_state(weight: Tensor) -> dict[str, Tensor]:
    """What Adam makes in its first step; the layout in memory must be the weight's."""
    step = torch.zeros((), device=weight.device)
    return {"step": step} | {moment: torch.zeros_like(weight) for moment in MOMENTS}


def _in_json(resumed: Resumed) -> dict[str, Any]:
    """All but the generator's state."""
    history = [asdict(one) for one in resumed.history]
    return {"step": resumed.step, "taken": resumed.position.taken, "history": history}


def _resumed(state: dict[str, Any], order: Tensor) -> Resumed:
    """The inverse of `_in_json`."""
    history = [TrainingRecord(**record) for record in state["history"]]
    return Resumed(state["step"], Position(order, state["taken"]), history)
