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
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from pipeline.sae.frames import Position
from pipeline.sae.model import TopKSae
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
                # Adam makes its state in its first step; the layout in memory must be the weight's.
                optimiser.state[weight] = {
                    "step": tensors[f"{name}.step"].to(weight.device),
                    **{
                        moment: torch.empty_like(weight).copy_(tensors[f"{name}.{moment}"])
                        for moment in MOMENTS
                    },
                }
        history = [TrainingRecord(**record) for record in state["history"]]
        position = Position(tensors["order"], state["taken"])
        return Resumed(state["step"], position, history)

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
        state = {
            "step": step, "taken": position.taken, "history": [asdict(one) for one in history]
        }  # fmt: skip
        arrays: dict[str, np.ndarray] = {key: value.cpu().numpy() for key, value in tensors.items()}
        self.scratch.save(self.name, arrays, {"key": self._key, "state": json.dumps(state)})

    @property
    def _key(self) -> str:
        return f"{self.key} torch {torch.__version__}"
