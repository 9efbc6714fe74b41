"""Whether files of weights hold every tensor of their model.

transformers fills what is missing with random numbers and says so on standard error only: noise
would be studied under the model's name. So a model whose files lack a tensor, or hold one under
another name, is refused in one line. `names_in` reads headers alone, without torch, so that what
they show is refused before any work.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")
WRAPPERS = ("_orig_mod.", "module.", "model.", "base_model.model.")
"""What torch.compile, DataParallel, a trainer and PEFT put before a tensor's name."""
OLD_NORM = {"weight_g": "parametrizations.weight.original0",
            "weight_v": "parametrizations.weight.original1"}  # fmt: skip
LARGEST_HEADER = 100_000_000


def names_in(paths: Iterable[Path]) -> set[str]:
    """Names of the tensors in safetensors files, by their headers; of broken files none."""
    found: set[str] = set()
    for path in paths:
        with path.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            try:
                header = json.loads(stream.read(size)) if size <= LARGEST_HEADER else {}
            except ValueError:
                header = {}  # whoever loads the file says what is wrong with it
        found.update(header if isinstance(header, dict) else ())
    return found - {"__metadata__"}


def refuse_adapter(folder: Path) -> None:
    """Raise `PipelineError` if a LoRA adapter lies beside a model: it would be left out."""
    for name in ADAPTER_FILES:
        if (folder / name).is_file():
            raise PipelineError(
                f"{folder} holds an adapter ({name}), which would be left out: merge it into the "
                "model's weights (peft: merge_and_unload, save_pretrained), or take it away"
            )


def refuse_incomplete(
    what: str,
    info: Mapping[str, Any],
    *,
    held: Collection[str] = (),
    unexpected: Collection[str] = (),
    allowed: tuple[str, ...] = (),
) -> None:
    """Raise `PipelineError` if transformers' `output_loading_info` tells of a tensor that is
    missing, or if there are `unexpected` ones.

    `held` are the names in the files; a name that ends with one of `allowed` may be missing,
    since it is computed or tied to another.
    """
    missing = [name for name in info["missing_keys"] if not name.endswith(allowed or ("\0",))]
    missing += [str(one[0] if isinstance(one, tuple) else one) for one in info["mismatched_keys"]]
    if missing:
        raise PipelineError(f"{what} lacks {_some(missing)}{_hint(missing, held)}")
    if unexpected:
        raise PipelineError(f"{what} holds {_some(unexpected)}, which its model does not know")


def refuse_unlike(
    what: str, empty: Callable[[], Any], held: Collection[str], *, allowed: tuple[str, ...] = ()
) -> None:
    """Raise `PipelineError` if the names in files are not those of the model that `empty` makes.

    The model is made without memory for its weights, so that this costs less than a second at any
    size, and comes before the hours of the stages that do not need the model yet.
    """
    import torch

    with torch.device("meta"):
        known = set(empty().state_dict())
    translated = {modern_name(name) for name in held}
    info = {"missing_keys": known - translated, "mismatched_keys": ()}
    refuse_incomplete(what, info, held=held, allowed=allowed)


def modern_name(name: str) -> str:
    """A tensor's name with what transformers calls the two parts of a weight norm today."""
    for old, new in OLD_NORM.items():
        if name.endswith(f".{old}"):
            return name.removesuffix(old) + new
    return name


def _some(names: Collection[str]) -> str:
    """How many tensors, and the first of them."""
    more = f"{len(names)} tensors, such as" if len(names) > 1 else "the tensor"
    return f"{more} {min(names)}"


def _hint(missing: Collection[str], held: Collection[str]) -> str:
    """What is probably wrong: names under another prefix, or a part that was lost."""
    for wrapper in WRAPPERS:
        without = {name.replace(wrapper, "") for name in held if wrapper in name}
        if without & set(missing):
            return (
                f"; its tensors are named {wrapper}…, as a wrapper saved them: take {wrapper!r} "
                "out of their names"
            )
    return ": a file of the weights was lost, or a conversion went wrong"


def refuse_broken_musicgen(folder: Path, config: Mapping[str, Any], held: set[str]) -> None:
    """Raise `PipelineError` if a folder of transformers' layout is no mono MusicGen, or its names
    are not those of one with this config.

    A first look, without torch: the loading compares every tensor.
    """
    channels = (config.get("decoder") or {}).get("audio_channels", 1)
    if channels != 1:
        raise PipelineError(f"the subject has {channels} audio channels; only mono is read")
    if not held:
        return
    missing = sorted(name for name in _expected(config, held) if name not in held)
    if missing:
        refuse_incomplete(
            f"subject folder {folder}", {"missing_keys": missing, "mismatched_keys": ()}, held=held
        )


def _expected(config: Mapping[str, Any], held: set[str]) -> set[str]:
    """Names that must be there: in each block those of the others, and each codebook's."""
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
