"""Reads sparsify's checkpoints: `cfg.json` and `sae.safetensors`.

Followed: `SparseCoder` in sparsify/sparse_coder.py of eai-sparsify 1.3.3. Where it reads is not in
the file: sparsify names the folder after it, such as `layers.3`.
"""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.sae.foreign.parts import Foreign, object_in, refuse_unknown, taken, tensors_in

READ = ("activation", "k", "d_in", "num_latents", "transcode", "skip_connection")
IN_TRAINING = ("expansion_factor", "normalize_decoder", "multi_topk")
A_PLACE = re.compile(r"(?:.*\.)?(?:layers|blocks|h)\.\d+(?:\..*)?")


def read(folder: Path) -> Foreign:
    """The SAE in a folder; raises `PipelineError` on anything that is not understood."""
    cfg = object_in(folder / "cfg.json")
    activation = cfg.get("activation", "topk")
    if activation != "topk":
        raise PipelineError(f"its activation is {activation!r}; known: topk")
    for name in ("transcode", "skip_connection"):
        if cfg.get(name):
            raise PipelineError(f"it is a transcoder ({name}), which predicts another place")
    refuse_unknown(cfg, (*READ, *IN_TRAINING), "cfg.json")
    encoder, b_enc, decoder, b_dec = taken(
        tensors_in(folder / "sae.safetensors"),
        ("encoder.weight", "encoder.bias", "W_dec", "b_dec"), "sae.safetensors",
    )  # fmt: skip
    return Foreign(
        library="sparsify", architecture="topk", W_enc=encoder.T, b_enc=b_enc, W_dec=decoder,
        b_dec=b_dec, hook=folder.name if A_PLACE.fullmatch(folder.name) else None, k=cfg.get("k"),
    )  # fmt: skip
