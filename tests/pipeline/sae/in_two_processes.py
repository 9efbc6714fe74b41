"""What test_ranks.py has torchrun start twice: python in_two_processes.py FOLDER.

FOLDER has `run.json`: the config of a run, the run's folder up to its activations, and a copy of it
for which process 1 kills itself in its first attempt.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from pipeline.config import SaeConfig, config_from_dict
from pipeline.errors import PipelineError
from pipeline.progress import SilentProgress
from pipeline.run import train
from pipeline.sae.frames import TrainingFrames
from pipeline.sae.ranks import joined
from pipeline.sae.trainer import TrainedSae, Wanted, train_alone
from pipeline.sae.variants import VARIANTS
from pipeline.store.run_directory import RunDirectory

# 75 frames: one of two processes has one more. The pools are of less than a batch too.
CONFIG = SaeConfig(
    steps=40, batch_frames=75, learning_rate=3e-3, aux_k=4, dead_after_frames=300, clip_norm=0.1
)
HOOKPOINT = "decoder.layers.0.resid_post"
TRACKS = frozenset(f"t{n:03d}" for n in range(48))
KILLED_AT = 25


def config_of(variant: str) -> SaeConfig:
    """A short training in which latents die."""
    return replace(CONFIG, variant=variant, prefixes=(0.5,) if variant == "topk" else ())


def frames_of(run: Path) -> TrainingFrames:
    """The frames of all tracks."""
    return TrainingFrames(RunDirectory(run), HOOKPOINT, TRACKS)


def weights_of(trained: TrainedSae) -> dict[str, torch.Tensor]:
    """All weights of an SAE, and its history as numbers."""
    rows = [[one.batch_mse, one.dead_share] for one in trained.history]
    weights = {name: weight.contiguous() for name, weight in trained.sae.state_dict().items()}
    return {**weights, "history": torch.tensor(rows)}


def every_variant(run: Path, folder: Path) -> None:
    """Train each variant with the other process, and store what this one has."""
    ranks = joined("cpu")
    for variant in VARIANTS:
        trained = train_alone(
            Wanted(config_of(variant), 40, 3, 5), frames_of(run), device="cpu",
            advance=lambda _: None, ranks=ranks,
        )  # fmt: skip
        save_file(weights_of(trained), folder / f"{variant}-{ranks.rank}.safetensors")
    batches = frames_of(run).batches(75, torch.Generator().manual_seed(0), ranks=ranks)
    save_file({"x": next(batches)}, folder / f"batch-{ranks.rank}.safetensors")
    try:
        next(frames_of(run).batches(1, torch.Generator(), ranks=ranks))
    except PipelineError as error:
        (folder / f"refused-{ranks.rank}").write_text(str(error))


class Steps(SilentProgress):
    """The most steps that were reported at once: those that a snapshot saved."""

    most = 0

    def advance(self, n: int = 1) -> None:
        self.most = max(self.most, n)


def kill_at(step: int) -> None:
    """Have this process end by SIGKILL before a step of its first training."""
    from pipeline.sae.trainer import Training

    original = Training._step

    def wrapped(self: Training, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if self.step == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, x)

    Training._step = wrapped  # type: ignore[method-assign]


def main(folder: Path) -> None:
    """The first attempt does everything but for the end of the last training."""
    torch.set_num_threads(1)
    given = json.loads((folder / "run.json").read_text())
    config = config_from_dict(given["config"])
    whole, killed = Path(given["whole"]), Path(given["killed"])
    attempt = os.environ["TORCHELASTIC_RESTART_COUNT"]
    if attempt == "0":
        every_variant(whole, folder)
        train(config, whole, progress=SilentProgress())
        if os.environ["RANK"] == "1":
            kill_at(KILLED_AT)
    progress = Steps()
    train(config, killed, progress=progress)
    if os.environ["RANK"] == "0":
        (folder / f"continued-{attempt}").write_text(str(progress.most))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
