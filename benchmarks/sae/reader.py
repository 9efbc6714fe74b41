"""Reads SAEs with SAELens, in SAELens' environment: `python reader.py FRAMES.npy FOLDER...`.

Writes `FOLDER/saelens.npz` with the latents [frame, n] and the reconstruction [frame, d].
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import torch


def main() -> None:
    """Encode and decode the frames with every SAE."""
    x = torch.from_numpy(np.load(sys.argv[1]))
    for folder in map(Path, sys.argv[2:]):
        sae = import_module("sae_lens").SAE.load_from_disk(str(folder))
        with torch.no_grad():
            latents = sae.encode(x)
            restored = sae.decode(latents)
        np.savez(folder / "saelens.npz", latents=latents.numpy(), restored=restored.numpy())


if __name__ == "__main__":
    main()
