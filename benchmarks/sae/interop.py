"""SAELens loads an SAE of every variant from disk as it is, and must agree with us on every value.

Exits with 1 if a latent fires on one side only, or a value differs by over 1e-5 of the largest.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.sae.sides import python_of
from benchmarks.sae.world import World, WorldFrames
from pipeline.config import SaeConfig
from pipeline.sae import checkpoint
from pipeline.sae.checkpoint import SaeFacts
from pipeline.sae.trainer import train
from pipeline.sae.variants import VARIANTS
from pipeline.store.run_directory import RunDirectory

LIMIT = 1e-5
PREFIXES: tuple[tuple[float, ...], ...] = ((), (0.25, 0.5))


def main() -> int:
    """Train each variant briefly, store it, let SAELens read it, compare."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        directory = RunDirectory(Path(folder) / "run")
        directory.begin({})
        world = World(256, 64)
        names = stored(directory, world)
        x = world.frames(2000, torch.Generator().manual_seed(9))
        np.save(Path(folder) / "frames.npy", x.numpy())
        subprocess.run(
            [
                python_of("saelens"), Path(__file__).with_name("reader.py"),
                Path(folder) / "frames.npy", *(directory.path_of(f"sae/{name}") for name in names),
            ],
            check=True,
        )  # fmt: skip
        print("| variant | SAELens' architecture | firing on one side only | values | restored |")
        print("|---|---|---|---|---|")
        return int(not all([agrees(directory, name, x) for name in names]))  # noqa: C419 - all rows


def stored(directory: RunDirectory, world: World) -> list[str]:
    """The names of the SAEs, written as a run's are."""
    names = []
    with directory.writer("sae") as writer:
        for variant in VARIANTS:
            for prefixes in PREFIXES:
                name = f"{variant}{'-matryoshka' if prefixes else ''}"
                made = train(
                    SaeConfig(steps=100, batch_frames=512, variant=variant, prefixes=prefixes),
                    WorldFrames(world, pool=20_000), n_latents=512, k=8, seed=0, device="cpu",
                    advance=lambda _: None,
                )  # fmt: skip
                facts = SaeFacts("decoder.layers.0.resid_post", "s", "d", 50.0, 0, made.scale)
                checkpoint.save(writer, name, made.sae, facts)
                names.append(name)
    return names


def agrees(directory: RunDirectory, name: str, x: torch.Tensor) -> bool:
    """Print a variant's row; whether it is within the limit."""
    theirs = np.load(directory.path_of(f"sae/{name}/saelens.npz"))
    sae = checkpoint.load(directory, name).sae
    latents = sae.encode(x)
    dense, restored = latents.dense(sae.n_latents).numpy(), sae.decode(latents).numpy()
    one_sided = int(((dense > 0) != (theirs["latents"] > 0)).sum())
    off = [
        float(np.abs(mine - theirs[key]).max() / np.abs(mine).max())
        for key, mine in (("latents", dense), ("restored", restored))
    ]
    architecture = directory.read_json(checkpoint.cfg_path(name))["architecture"]
    print(f"| {name} | {architecture} | {one_sided} | {off[0]:.1e} | {off[1]:.1e} |")
    return one_sided == 0 and max(off) <= LIMIT


if __name__ == "__main__":
    sys.exit(main())
