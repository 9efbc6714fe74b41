"""One side of a comparison: an SAE in training, in a process and environment of its own.

Run by `benchmarks.sae.sides` with the side's own Python, so it imports nothing of this project but
for ours. It reads commands from standard input, one per line, and answers each with a line of JSON:

    begin FILE    a new SAE by the setting in FILE
    step N        one full training step on batch N → seconds: wall, CPU, and of these the kernel
    finish FILE   writes the decoder [n, d] to FILE → figures on the held-out frames, peak memory

Each side's step is that of its own trainer: forward pass, AuxK, backward pass, clipping where it
clips, optimiser, projection and norm of the decoder where it has them. sparsify's trainer reads a
language model only, so its loop's body is repeated here line by line.

With "keep" in the setting the C library keeps all memory that is freed, and so need not have the
operating system clear new memory in every step. Ours keeps it as the pipeline's commands do.
"""

from __future__ import annotations

import ctypes
import json
import resource
import sys
import time
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

WARMUP, DECAY = 0.05, 0.2
"""Shares of the steps in which the rate rises and falls, for every side that can be told."""
AUX_WEIGHT = 1 / 32
FRAMES_AT_ONCE = 1024
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Numbers of glibc's `mallopt(3)`."""
START_FRAMES = 4096
"""Frames that our start sees: a sample of the training's, whose first they are."""


class Ours:
    """This project, by kernel and variant."""

    def __init__(self, setting: dict[str, Any]) -> None:
        from pipeline.config import SaeConfig
        from pipeline.parallel import keep_freed_memory
        from pipeline.sae.trainer import Training, Wanted, start

        keep_freed_memory()
        config = SaeConfig(
            steps=setting["steps"], batch_frames=setting["batch"], learning_rate=setting["rate"],
            aux_k=setting["aux_k"], dead_after_frames=setting["dead_after"],
            kernel=setting.get("kernel", "exact"), variant=setting.get("variant", "topk"),
            prefixes=tuple(setting.get("prefixes", ())),
            scaled_start=setting.get("scaled_start", False),
        )  # fmt: skip
        generator = torch.Generator().manual_seed(setting["seed"])
        wanted = Wanted(config, setting["n"], setting["k"], 0)
        sample = torch.from_numpy(np.load(setting["frames"], mmap_mode="r")[:START_FRAMES]).float()
        centre = torch.from_numpy(np.load(setting["centre"]))
        self.sae: Any = start(wanted, generator, sample, centre)
        self._training = Training(wanted, self.sae)
        self._sample: torch.Tensor | None = None

    def declare_dead(self, latents: torch.Tensor) -> None:
        """Let the next step treat these latents, and no others, as dead."""
        self._training._silent_frames.zero_()
        self._training._silent_frames[latents] = 1e12

    def step(self, x: torch.Tensor) -> None:
        """One training step."""
        self._training.step += 1
        self._training._step(x)
        self._sample = x

    def finished(self) -> None:
        """Nothing more is trained."""
        if self._sample is not None:
            self.sae = self._training.finished(self._sample, 1.0).sae

    def latents(self, x: torch.Tensor) -> torch.Tensor:
        """Dense latents [frame, n]."""
        dense: torch.Tensor = self.sae.encode(x).dense(self.sae.n_latents)
        return dense

    def restored(self, x: torch.Tensor) -> Any:
        """Reconstruction [frame, d]."""
        return self.sae.decode(self.sae.encode(x))

    def decoder(self) -> Any:
        """W_dec [n, d]."""
        return self.sae.W_dec


class Sparsify:
    """EleutherAI's sparsify with Adam and AuxK."""

    def __init__(self, setting: dict[str, Any]) -> None:
        coder = import_module("sparsify.sparse_coder")
        config = import_module("sparsify.config")
        torch.manual_seed(setting["seed"])
        chosen = config.SparseCoderConfig(num_latents=setting["n"], k=setting["k"])
        self.sae: Any = coder.SparseCoder(setting["d"], chosen)
        self.sae.b_dec.data = torch.from_numpy(np.load(setting["centre"]))
        self._optimiser = torch.optim.Adam(self.sae.parameters(), lr=setting["rate"])
        # Its own schedule: a rise, then a fall to 0 that takes the rest.
        rise, steps = max(1, round(WARMUP * setting["steps"])), setting["steps"]
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimiser, lambda i: min(i / rise, max(0.0, (steps - i) / (steps - rise)))
        )
        self._silent = torch.zeros(setting["n"], dtype=torch.long)
        self._dead_after = setting["dead_after"]

    def declare_dead(self, latents: torch.Tensor) -> None:
        """As `Ours.declare_dead`."""
        self._silent.zero_()
        self._silent[latents] = 10**15

    def step(self, x: torch.Tensor) -> None:
        """The body of sparsify's training loop for one hookpoint."""
        self.sae.set_decoder_norm_to_unit_norm()
        did_fire = torch.zeros_like(self._silent, dtype=torch.bool)
        out = self.sae(
            x=x, y=x, dead_mask=self._silent > self._dead_after,
            total_variance=(x - x.mean(0)).pow(2).sum(),
        )  # fmt: skip
        did_fire[out.latent_indices.flatten()] = True
        (out.fvu + AUX_WEIGHT * out.auxk_loss).backward()
        self.sae.remove_gradient_parallel_to_decoder_directions()
        self._optimiser.step()
        self._optimiser.zero_grad()
        self._schedule.step()
        self._silent += len(x)
        self._silent[did_fire] = 0

    def finished(self) -> None:
        """As in its `save`."""
        self.sae.set_decoder_norm_to_unit_norm()

    def latents(self, x: torch.Tensor) -> torch.Tensor:
        """As `Ours.latents`."""
        values, indices, _ = self.sae.encode(x)
        return torch.zeros(len(x), self.sae.num_latents).scatter(1, indices, values)

    def restored(self, x: torch.Tensor) -> Any:
        """As `Ours.restored`."""
        return self.sae(x).sae_out

    def decoder(self) -> Any:
        """As `Ours.decoder`."""
        return self.sae.W_dec


class SaeLens:
    """SAELens' trainer with its sparse activations, without rescaling."""

    def __init__(self, setting: dict[str, Any]) -> None:
        config = import_module("sae_lens.config")
        topk = import_module("sae_lens.saes.topk_sae")
        trainer = import_module("sae_lens.training.sae_trainer")
        torch.manual_seed(setting["seed"])
        steps = setting["steps"]
        self.sae: Any = topk.TopKTrainingSAE(
            topk.TopKTrainingSAEConfig(
                d_in=setting["d"],
                d_sae=setting["n"],
                k=setting["k"],
                device="cpu",
                dtype="float32",
                use_sparse_activations=True,
                rescale_acts_by_decoder_norm=False,
            )
        )
        self.sae.b_dec.data = torch.from_numpy(np.load(setting["centre"]))
        self._trainer = trainer.SAETrainer(
            config.SAETrainerConfig(
                total_training_samples=steps * setting["batch"],
                train_batch_size_samples=setting["batch"],
                lr=setting["rate"],
                lr_end=0.0,
                lr_warm_up_steps=round(WARMUP * steps),
                lr_decay_steps=round(DECAY * steps),
                dead_feature_window=max(1, setting["dead_after"] // setting["batch"]),
            ),
            self.sae,
            iter(()),
        )

    def declare_dead(self, latents: torch.Tensor) -> None:
        """As `Ours.declare_dead`."""
        self._trainer.n_forward_passes_since_fired.zero_()
        self._trainer.n_forward_passes_since_fired[latents] = 1e12

    def step(self, x: torch.Tensor) -> None:
        """Its trainer's own step."""
        self._trainer.step(x)
        self._trainer.n_training_steps += 1

    def finished(self) -> None:
        """Nothing."""

    def latents(self, x: torch.Tensor) -> torch.Tensor:
        """As `Ours.latents`."""
        found = self.sae.encode(x)
        dense: torch.Tensor = found.to_dense() if found.is_sparse else found
        return dense

    def restored(self, x: torch.Tensor) -> Any:
        """As `Ours.restored`."""
        return self.sae.decode(self.sae.encode(x))

    def decoder(self) -> Any:
        """As `Ours.decoder`."""
        return self.sae.W_dec


class Absent(ModuleType):
    """A module from which any name can be imported and none used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class DictionaryLearning:
    """dictionary_learning's TopKTrainer."""

    def __init__(self, setting: dict[str, Any]) -> None:
        # Its buffers read language models through nnsight, which the trainer does not need and
        # whose own requirements no longer fit together.
        sys.modules["nnsight"] = Absent("nnsight")
        trainers = import_module("dictionary_learning.trainers.top_k")
        steps = setting["steps"]
        self._trainer = trainers.TopKTrainer(
            steps=steps, activation_dim=setting["d"], dict_size=setting["n"], k=setting["k"],
            layer=0, lm_name="none", lr=setting["rate"], auxk_alpha=AUX_WEIGHT,
            warmup_steps=round(WARMUP * steps), decay_start=round((1 - DECAY) * steps),
            seed=setting["seed"], device="cpu",
        )  # fmt: skip
        self._trainer.dead_feature_threshold = setting["dead_after"]
        self.sae: Any = self._trainer.ae
        self._steps = 0

    def declare_dead(self, latents: torch.Tensor) -> None:
        """As `Ours.declare_dead`."""
        self._trainer.num_tokens_since_fired.zero_()
        self._trainer.num_tokens_since_fired[latents] = 10**15

    def step(self, x: torch.Tensor) -> None:
        """Its trainer's own step, which sets b_dec in the first one."""
        self._trainer.update(self._steps, x)
        self._steps += 1

    def finished(self) -> None:
        """Nothing."""

    def latents(self, x: torch.Tensor) -> torch.Tensor:
        """As `Ours.latents`."""
        dense: torch.Tensor = self.sae.encode(x)
        return dense

    def restored(self, x: torch.Tensor) -> Any:
        """As `Ours.restored`."""
        return self.sae.decode(self.sae.encode(x))

    def decoder(self) -> Any:
        """As `Ours.decoder`: its weights are [d, n]."""
        return self.sae.decoder.weight.T


SIDES: dict[str, Any] = {
    "ours": Ours,
    "sparsify": Sparsify,
    "saelens": SaeLens,
    "dictionary_learning": DictionaryLearning,
}


def held_out(side: Any, frames: torch.Tensor) -> dict[str, float]:
    """FVU = ΣSSE/ΣSST about the frames' mean, L0, and the share of latents that never fire."""
    error, fired, active = 0.0, torch.zeros(()), 0
    with torch.no_grad():
        for x in torch.split(frames, FRAMES_AT_ONCE):
            error += (x - side.restored(x)).double().square().sum().item()
            over = side.latents(x) > 0
            fired = fired + over.sum(dim=0)
            active += int(over.sum())
    spread = (frames - frames.mean(dim=0)).double().square().sum().item()
    dead = (fired == 0).float().mean().item()
    return {"fvu": error / spread, "l0": active / len(frames), "dead": dead}


def peak_bytes() -> int:
    """The most memory that this process has held. (getrusage's counts what its parent held too.)"""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def clocks() -> dict[str, float]:
    """Seconds: wall, of the processor, and of these in the operating system's kernel."""
    system = resource.getrusage(resource.RUSAGE_SELF).ru_stime
    return {"wall": time.perf_counter(), "cpu": time.process_time(), "system": system}


def keep_all_freed_memory() -> None:
    """Let glibc map no block by itself and return none."""
    libc = ctypes.CDLL(None)
    for name, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1)):
        libc.mallopt(name, value)


class Work:
    """An SAE in training and the frames that it sees."""

    def __init__(self, setting: dict[str, Any]) -> None:
        if setting.get("keep"):
            keep_all_freed_memory()
        torch.set_num_threads(setting["threads"])
        self._setting, self._batch = setting, setting["batch"]
        self._frames = np.load(setting["frames"], mmap_mode="r")
        self._side = SIDES[setting["side"]](setting)
        self._dead = torch.arange(setting["n"] - setting["dead"], setting["n"])

    def step(self, number: int) -> dict[str, float]:
        """One training step; its seconds."""
        at = number * self._batch % (len(self._frames) - self._batch + 1)
        x = torch.from_numpy(np.asarray(self._frames[at : at + self._batch], dtype=np.float32))
        if self._setting["force_dead"]:
            self._side.declare_dead(self._dead)
        before = clocks()
        self._side.step(x)
        return {name: now - before[name] for name, now in clocks().items()}

    def finish(self, path: str) -> dict[str, float]:
        """Write the decoder; figures on the held-out frames, and the peak before them."""
        peak = peak_bytes()
        self._side.finished()
        frames = torch.from_numpy(np.load(self._setting["held_out"])).float()
        found = held_out(self._side, frames)
        np.save(path, self._side.decoder().detach().numpy())
        return found | {"peak_bytes": peak}


def main() -> None:
    """Answer commands until standard input ends."""
    work: Work | None = None
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        answer: dict[str, Any] = {"ready": True}
        if command == "begin":
            work = Work(json.loads(Path(argument).read_text()))
        elif work is not None:
            answer = work.step(int(argument)) if command == "step" else work.finish(argument)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
