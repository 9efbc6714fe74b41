"""Checks that weight files contain every tensor of their model.

transformers fills missing tensors with random numbers and only warns on standard error, so that
noise would be studied under the model's name. So a model whose files lack a tensor, or hold it
under another name, is refused in one line. `names_in` reads only the headers, without torch, so
that this can happen before any work is done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")
WRAPPERS = ("_orig_mod.", "module.", "model.", "base_model.model.")
"""Prefixes that torch.compile, DataParallel, trainers and PEFT add to tensor names."""
OLD_NORM = {"weight_g": "parametrizations.weight.original0",
            "weight_v": "parametrizations.weight.original1"}  # fmt: skip
LARGEST_HEADER = 100_000_000


def names_in(paths: Iterable[Path]) -> set[str]:
    """Names of the tensors in safetensors files, from their headers; none for broken files."""
    found: set[str] = set()
    for path in paths:
        with path.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            try:
                header = json.loads(stream.read(size)) if size <= LARGEST_HEADER else {}
            except ValueError:
                header = {}  # loading the file will report what is wrong with it
        found.update(header if isinstance(header, dict) else ())
    return found - {"__metadata__"}


def refuse_adapter(folder: Path) -> None:
    """Raise `PipelineError` if there is a LoRA adapter in a model's folder: it would be ignored."""
    for name in ADAPTER_FILES:
        if (folder / name).is_file():
            raise PipelineError(
                f"{folder} holds an adapter ({name}), which would be ignored: merge it into the "
                "model's weights (peft: merge_and_unload, save_pretrained), or remove it"
            )


def refuse_incomplete(
    what: str,
    info: Mapping[str, Any],
    *,
    held: Collection[str] = (),
    unexpected: Collection[str] = (),
    allowed: tuple[str, ...] = (),
) -> None:
    """Raise `PipelineError` if transformers' `output_loading_info` lists a missing tensor, or if
    there are `unexpected` ones.

    `held`: the tensor names in the files. A tensor whose name ends with one of `allowed` may be
    missing, because it is computed or tied to another. `what` names the model in the message.
    """
    missing = [name for name in info["missing_keys"] if not name.endswith(allowed or ("\0",))]
    missing += [str(one[0] if isinstance(one, tuple) else one) for one in info["mismatched_keys"]]
    if missing:
        raise PipelineError(f"{what} lacks {_some(missing)}{_hint(missing, held)}")
    if unexpected:
        raise PipelineError(f"{what} holds {_some(unexpected)}, which its model does not have")


def refuse_unlike(
    what: str, empty: Callable[[], Any], held: Collection[str], *, allowed: tuple[str, ...] = ()
) -> None:
    """Raise `PipelineError` if the tensor names in files lack one of the model that `empty` builds.

    The model is built on the meta device, without memory for its weights. So this takes less than
    a second at any size and can be done hours before the model is needed.
    """
    import torch

    with torch.device("meta"):
        known = set(empty().state_dict())
    translated = {modern_name(name) for name in held}
    info = {"missing_keys": known - translated, "mismatched_keys": ()}
    refuse_incomplete(what, info, held=held, allowed=allowed)


def modern_name(name: str) -> str:
    """A tensor's name with the current transformers names for the two parts of a weight norm."""
    for old, new in OLD_NORM.items():
        if name.endswith(f".{old}"):
            return name.removesuffix(old) + new
    return name


def _some(names: Collection[str]) -> str:
    """The number of tensors and the first name among them, in words."""
    more = f"{len(names)} tensors, such as" if len(names) > 1 else "the tensor"
    return f"{more} {min(names)}"


def _hint(missing: Collection[str], held: Collection[str]) -> str:
    """The likely cause: names with a wrapper's prefix, or a file that was lost."""
    for wrapper in WRAPPERS:
        without = {name.replace(wrapper, "") for name in held if wrapper in name}
        if without & set(missing):
            return (
                f"; its tensors are named {wrapper}…, as saved by a wrapper: remove {wrapper!r} "
                "from their names"
            )
    return ": a weight file is missing, or a conversion went wrong"


def refuse_broken_musicgen(folder: Path, config: Mapping[str, Any], held: set[str]) -> None:
    """Raise `PipelineError` if a folder in transformers' layout is not a mono MusicGen, or lacks
    tensors that a model with this config has.

    A first check, without torch; loading the model compares every tensor.
    """
    channels = (config.get("decoder") or {}).get("audio_channels", 1)
    if channels != 1:
        raise PipelineError(f"the subject has {channels} audio channels; only mono is supported")
    if not held:
        return
    missing = sorted(name for name in _expected(config, held) if name not in held)
    if missing:
        refuse_incomplete(
            f"subject folder {folder}", {"missing_keys": missing, "mismatched_keys": ()}, held=held
        )


def _expected(config: Mapping[str, Any], held: set[str]) -> set[str]:
    """Tensor names that must exist: in each block those of any other block, and per codebook."""
    decoder = config.get("decoder") or {}
    blocks, codebooks = decoder.get("num_hidden_layers"), decoder.get("num_codebooks")
    if not isinstance(blocks, int) or not isinstance(codebooks, int):
        return set()
    stem = "decoder.model.decoder.layers."
    parts = {name.removeprefix(stem).partition(".")[2] for name in held if name.startswith(stem)}
    parts |= {"self_attn.q_proj.weight", "fc1.weight", "fc2.weight"}
    names = {f"{stem}{block}.{part}" for block in range(blocks) for part in parts}
    for book in range(codebooks):
        names |= {f"decoder.model.decoder.embed_tokens.{book}.weight",
                  f"decoder.lm_heads.{book}.weight",
                  f"audio_encoder.quantizer.layers.{book}.codebook.embed"}  # fmt: skip
    return names | {
        "audio_encoder.encoder.layers.0.conv.bias", "decoder.model.decoder.layer_norm.weight"
    }  # fmt: skip
