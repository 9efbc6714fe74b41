"""Tiny SAEs saved by the library whose environment runs this: `python writer.py LIBRARY OUT`.

Each folder of OUT holds a checkpoint as the library writes it, and `expected.safetensors` with
frames `x` [frame, d] and the library's own latents of them, `latents` [frame, n].
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import torch
from safetensors.torch import save_file

WIDTH, LATENTS, K, FRAMES = 8, 24, 3, 40
HOOK = "decoder.layers.1.resid_post"
Encode = Callable[[torch.Tensor], torch.Tensor]


def main() -> None:
    """Write every SAE of one library."""
    library, out = sys.argv[1], Path(sys.argv[2])
    torch.manual_seed(0)
    x = torch.randn(FRAMES, WIDTH) * 2 + torch.randn(WIDTH)
    for name, save, encode in WRITERS[library]():
        folder = out / f"{library}-{name}"
        folder.mkdir(parents=True)
        save(folder)
        with torch.no_grad():
            latents = encode(x)
        tensors = {"x": x.contiguous(), "latents": latents.contiguous()}
        save_file(tensors, folder / "expected.safetensors")


def randomised(sae: torch.nn.Module, *, unit: bool = False) -> None:
    """Draw every parameter; `unit` keeps the decoder as the library made it."""
    for name, parameter in sae.named_parameters():
        if unit and name in ("W_dec", "decoder.weight"):
            continue
        if name == "threshold":
            parameter.data.uniform_(0.2, 1.5)
        else:
            parameter.data.normal_(std=0.5)


def sae_lens() -> Iterator[tuple[str, Callable[[Path], Any], Encode]]:
    """SAELens: every architecture, with what may come before and after the encoder."""
    lens = import_module("sae_lens")
    metadata = {"hook_name": HOOK, "model_name": "tiny"}
    for name, kind, options in (
        ("topk", "TopK", {"k": K}),
        ("topk-rescaled", "TopK", {"k": K, "rescale_acts_by_decoder_norm": True}),
        ("topk-without-b_dec", "TopK", {"k": K, "apply_b_dec_to_input": False}),
        ("topk-layer-norm", "TopK", {"k": K, "normalize_activations": "layer_norm"}),
        ("jumprelu", "JumpReLU", {}),
        ("jumprelu-constant-norm", "JumpReLU", {"normalize_activations": "constant_norm_rescale"}),
        ("standard", "Standard", {}),
        ("standard-without-b_dec", "Standard", {"apply_b_dec_to_input": False}),
    ):
        config = getattr(lens, f"{kind}SAEConfig")(d_in=WIDTH, d_sae=LATENTS, **options)
        config.metadata = type(config.metadata)(**metadata)
        sae = getattr(lens, f"{kind}SAE")(config)
        randomised(sae)
        yield name, sae.save_model, sae.encode
    for name, rescaled in (("batchtopk", False), ("batchtopk-rescaled", True)):
        config = lens.BatchTopKTrainingSAEConfig(
            d_in=WIDTH, d_sae=LATENTS, k=K, rescale_acts_by_decoder_norm=rescaled
        )
        config.metadata = type(config.metadata)(**metadata)
        sae = lens.BatchTopKTrainingSAE(config)
        randomised(sae)
        sae.topk_threshold.fill_(1.7)
        yield name, sae.save_model, threshold_of(lens, sae)
        yield f"{name}-finished", sae.save_inference_model, threshold_of(lens, sae)


def threshold_of(lens: Any, sae: Any) -> Encode:
    """How SAELens itself uses a batch top-k SAE after training: saved as JumpReLU, and loaded."""

    def encode(x: torch.Tensor) -> torch.Tensor:
        folder = Path(sys.argv[2]) / "finished"
        sae.save_inference_model(folder)
        found: torch.Tensor = lens.SAE.load_from_disk(str(folder)).encode(x)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        return found

    return encode


def sparsify() -> Iterator[tuple[str, Callable[[Path], Any], Encode]]:
    """sparsify: top-k, with unit directions and without."""
    library = import_module("sparsify")
    for name, options in (("topk", {}), ("topk-unnormalised", {"normalize_decoder": False})):
        sae = library.Sae(WIDTH, library.SaeConfig(num_latents=LATENTS, k=K, **options))
        randomised(sae, unit=not options)

        def encode(x: torch.Tensor, sae: Any = sae) -> torch.Tensor:
            found = sae.encode(x)
            dense: torch.Tensor = found.top_acts.new_zeros(len(x), LATENTS)
            return dense.scatter(1, found.top_indices, found.top_acts)

        yield name, sae.save_to_disk, encode


def dictionary_learning() -> Iterator[tuple[str, Callable[[Path], Any], Encode]]:
    """dictionary_learning: `ae.pt` and `config.json` as its training writes them."""
    # Only its buffers need nnsight, whose own requirements no longer fit together.
    sys.modules["nnsight"] = MagicMock()
    library = import_module("dictionary_learning.dictionary")
    trainers = "dictionary_learning.trainers"
    top_k = import_module(f"{trainers}.top_k").AutoEncoderTopK
    batch = import_module(f"{trainers}.batch_top_k").BatchTopKSAE
    nested = import_module(f"{trainers}.matryoshka_batch_top_k").MatryoshkaBatchTopKSAE
    for name, sae in (
        ("topk", top_k(WIDTH, LATENTS, K)),
        ("batchtopk", batch(WIDTH, LATENTS, K)),
        ("matryoshka", nested(WIDTH, LATENTS, K, group_sizes=[8, 16])),
        ("jumprelu", library.JumpReluAutoEncoder(WIDTH, LATENTS)),
        ("standard", library.AutoEncoder(WIDTH, LATENTS)),
        ("standard-new", library.AutoEncoderNew(WIDTH, LATENTS)),
    ):
        randomised(sae, unit=name in ("topk", "batchtopk", "matryoshka"))
        if name in ("batchtopk", "matryoshka"):
            sae.threshold.fill_(1.2)

        def save(folder: Path, sae: Any = sae) -> None:
            # `trainSAE` moves the state to the CPU and saves it so; the config is its trainer's.
            torch.save({key: value.cpu() for key, value in sae.state_dict().items()},
                       folder / "ae.pt")  # fmt: skip
            trainer = {
                "dict_class": type(sae).__name__, "layer": 1, "lm_name": "tiny",
                "submodule_name": "resid_post_layer_1", "activation_dim": WIDTH,
                "dict_size": LATENTS, **({"k": K} if hasattr(sae, "k") else {}),
            }  # fmt: skip
            (folder / "config.json").write_text(json.dumps({"trainer": trainer, "buffer": {}}))

        yield name, save, sae.encode


WRITERS = {
    "saelens": sae_lens, "sparsify": sparsify, "dictionary_learning": dictionary_learning
}  # fmt: skip

if __name__ == "__main__":
    main()
