"""Starts sides, each a process in its own environment, and steps them in turn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.sae.world import World
from pipeline.errors import PipelineError

PEERS = {
    "sparsify": "eai-sparsify==1.3.3",
    "saelens": "sae-lens==6.54.12",
    "dictionary_learning": "dictionary-learning==0.1.0",
}
"""The other libraries, and what is installed for them."""
TORCH = f"torch=={torch.__version__.partition('+')[0]}"
ENVIRONMENTS = Path("data/peers")
WORKER = Path(__file__).with_name("worker.py")


def python_of(side: str) -> str:
    """The Python of a side's environment, made on first use (about 1.5 GB each)."""
    if side not in PEERS:
        return sys.executable
    folder = Path(os.environ.get("EARWITNESS_PEERS", ENVIRONMENTS)) / side
    python = folder / "bin" / "python"
    if not (folder / "installed").is_file():
        print(f"installing {PEERS[side]} into {folder} ...", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", PEERS[side], TORCH], check=True)
        (folder / "installed").touch()
    return str(python)


class Timed(NamedTuple):
    """Medians over steps, and the fastest."""

    wall: float
    cpu: float
    system: float
    """Of the processor time, what the operating system's kernel took."""
    best_cpu: float


class Side:
    """A running worker."""

    def __init__(self, name: str, setting: Mapping[str, Any], folder: Path) -> None:
        self.name, self._base = name, folder / name.replace(" ", "-")
        self._times: list[dict[str, float]] = []
        own = {"PYTHONPATH": str(Path.cwd())} if setting["side"] == "ours" else {"PYTHONPATH": ""}
        self._process = subprocess.Popen(
            [python_of(setting["side"]), str(WORKER)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            stderr=self._base.with_suffix(".log").open("w"), env=os.environ | own,
        )  # fmt: skip
        self.begin(setting)

    def begin(self, setting: Mapping[str, Any]) -> None:
        """Start again with another SAE of the same side, in the same process."""
        path = self._base.with_suffix(".json")
        path.write_text(json.dumps(dict(setting)))
        self._times = []
        self._ask(f"begin {path}")

    def step(self, number: int, *, counted: bool = True) -> None:
        """One training step on batch `number`."""
        found = self._ask(f"step {number}")
        if counted:
            self._times.append(found)

    def timed(self) -> Timed:
        """Seconds per step."""
        middle = {name: median(one[name] for one in self._times) for name in self._times[0]}
        return Timed(**middle, best_cpu=min(one["cpu"] for one in self._times))

    def finish(self) -> tuple[dict[str, float], torch.Tensor]:
        """Figures on held-out frames, and the decoder [n, d]."""
        out = self._base.with_suffix(".npy")
        found = self._ask(f"finish {out}")
        return found, torch.from_numpy(np.load(out))

    def close(self) -> None:
        """End the worker."""
        self._process.communicate()

    def _ask(self, line: str) -> dict[str, float]:
        if self._process.stdin is None:
            raise PipelineError(f"{self.name}: the worker has no input")
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, float]:
        """The next line of JSON; what libraries print besides is skipped."""
        if self._process.stdout is None:
            raise PipelineError(f"{self.name}: the worker has no output")
        for line in self._process.stdout:
            if line.startswith("{"):
                found: dict[str, float] = json.loads(line)
                return found
        log = self._base.with_suffix(".log").read_text().strip()
        raise PipelineError(f"{self.name} has ended: {log.rpartition(chr(10))[2][:300]}")


def frames_for(world: World, folder: Path, count: int, held_out: int, seed: int) -> dict[str, str]:
    """Files of `count` training frames and of held-out ones, in units of their RMS, and their mean:
    the same for every side."""
    generator = torch.Generator().manual_seed(seed)
    # 2²⁴ strengths at once.
    part = max(1024, 2**24 // world.count)
    first = world.frames(part, generator)
    centre = first.mean(dim=0)
    scale = (first - centre).square().mean().sqrt()
    paths = {name: str(folder / f"{name}.npy") for name in ("frames", "held_out", "centre")}
    stored = np.lib.format.open_memmap(
        paths["frames"], mode="w+", dtype=np.float16, shape=(count, world.width)
    )
    for start in range(0, count, part):
        frames = world.frames(min(part, count - start), generator) / scale
        stored[start : start + len(frames)] = frames.half().numpy()
    stored.flush()
    np.save(paths["held_out"], (world.frames(held_out, generator) / scale).half().numpy())
    np.save(paths["centre"], (centre / scale).numpy())
    return paths


def in_turn(sides: Sequence[Side], steps: range, *, warm: int = 0) -> None:
    """Steps of all sides one after another, A B C C B A …, so that none always follows the same
    other; the first `warm` are not counted."""
    for place, step in enumerate(steps):
        for side in sides if place % 2 == 0 else reversed(sides):
            side.step(step, counted=place >= warm)
