"""Every SAE that SAELens, sparsify and dictionary_learning save, adopted: the same latents?

`python -m benchmarks.sae.adoption` lets each library save tiny SAEs in an environment of its own,
reads them, stores them as a run does, and lets SAELens read that. Exits with 1 if a latent fires on
one side only, or a value differs by over 1e-5. `--write FOLDER` keeps what the libraries wrote: the
tests read `tests/pipeline/sae/foreign`, which is made so.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file

from benchmarks.sae.sides import PEERS, python_of
from pipeline.sae import checkpoint, foreign
from pipeline.sae.adopted import Adopted, sae_of
from pipeline.sae.checkpoint import SaeFacts
from pipeline.sae.model import TopKSae
from pipeline.store.run_directory import RunDirectory

LIMIT = 1e-5


def main() -> int:
    """Write, read and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "written"
        for library in PEERS:
            writer = Path(__file__).with_name("writer.py")
            subprocess.run([python_of(library), writer, library, written], check=True)
        if options.write is not None:
            shutil.copytree(written, options.write, dirs_exist_ok=True)
        directory = RunDirectory(Path(folder) / "run")
        directory.begin({})
        found = [_adopted(directory, one) for one in sorted(written.iterdir())]
        _read_back(directory, found)
        print("| checkpoint | firing on one side only | values | SAELens reads it back |")
        print("|---|---|---|---|")
        return int(not all([_agrees(directory, one) for one in found]))  # noqa: C419 - all rows


class One(NamedTuple):
    """One SAE: frames, the library's latents in our unit, and ours."""

    name: str
    sae: TopKSae
    x: torch.Tensor
    theirs: torch.Tensor
    ours: torch.Tensor


def _adopted(directory: RunDirectory, folder: Path) -> One:
    """An SAE as it is read, stored in the run."""
    expected = load_file(folder / "expected.safetensors")
    found = foreign.read(str(folder))
    norms = 1.0 if found.norms_first else found.W_dec.norm(dim=1)
    sae, x = sae_of(found), expected["x"]
    facts = SaeFacts("decoder.layers.1.resid_post", "s", "d", 50.0, 0, 2.0)
    with directory.writer(folder.name) as writer:
        checkpoint.save(writer, folder.name, sae, facts, raw=True)
    ours = sae.encode(x).dense(sae.n_latents)
    return One(folder.name, sae, x, expected["latents"] * norms, ours)


def _read_back(directory: RunDirectory, found: list[One]) -> None:
    """Let SAELens encode the frames, which are the same for all, with what the run stores."""
    frames = directory.path / "frames.npy"
    np.save(frames, found[0].x.numpy())
    reader = Path(__file__).with_name("reader.py")
    stored = [directory.path_of(f"sae/{one.name}") for one in found]
    subprocess.run([python_of("saelens"), reader, frames, *stored], check=True)


def _agrees(directory: RunDirectory, one: One) -> bool:
    """Print a checkpoint's row; whether it is within the limit."""
    one_sided = int(((one.ours > 0) != (one.theirs > 0)).sum())
    off = float((one.ours - one.theirs).abs().max())
    read = np.load(directory.path_of(f"sae/{one.name}/saelens.npz"))["latents"]
    norms = one.sae.norms if isinstance(one.sae, Adopted) else 1.0
    back = float((torch.from_numpy(read) * norms - one.ours).abs().max())
    print(f"| {one.name} | {one_sided} | {off:.1e} | {back:.1e} |")
    return one_sided == 0 and max(off, back) <= LIMIT


if __name__ == "__main__":
    sys.exit(main())
