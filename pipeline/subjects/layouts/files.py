"""audiocraft's two files: `state_dict.bin` (language model) and `compression_state_dict.bin`.

Each is a dict saved by torch: `best_state` has the tensors, `xp.cfg` the training config as YAML.
Only tensors and plain values are ever unpickled (`torch.load(weights_only=True)`).
"""

from __future__ import annotations

import pickle
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    import torch

LM_FILE = "state_dict.bin"
CODEC_FILE = "compression_state_dict.bin"


@dataclass(frozen=True)
class Checkpoint:
    """One of the two files."""

    cfg: dict[str, Any]
    """The training config."""
    state: dict[str, torch.Tensor]


def is_audiocraft(folder: Path) -> bool:
    """Whether a folder holds audiocraft's files."""
    return (folder / LM_FILE).is_file() and (folder / CODEC_FILE).is_file()


def read(path: Path) -> Checkpoint:
    """The checkpoint in a file.

    Raises `PipelineError` if the file holds anything but tensors and plain values, or is not a
    checkpoint.
    """
    import torch
    import yaml

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a pickle that torch did not write is refused below
            package = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise PipelineError(
            f"{path} is not read: it is broken, or holds more than tensors, which could run code "
            f"({str(error).strip().partition(chr(10))[0][:120]})"
        ) from error
    if isinstance(package, dict) and "pretrained" in package:
        raise PipelineError(
            f"{path} only names the codec {package['pretrained']!r}; put that model's own "
            f"{CODEC_FILE} in its place"
        )
    try:
        cfg = yaml.safe_load(package["xp.cfg"])
        return Checkpoint(cfg=_resolved(dict(cfg), cfg), state=_plain_names(package["best_state"]))
    except (KeyError, TypeError, ValueError, AttributeError, yaml.YAMLError) as error:
        raise PipelineError(
            f"{path} is not an exported audiocraft checkpoint: it needs best_state and xp.cfg"
        ) from error


def _plain_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors by names without the prefix that torch.compile adds."""
    return {str(name).replace("_orig_mod.", ""): tensor for name, tensor in state.items()}


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Save a checkpoint as audiocraft's own export does."""
    import torch
    import yaml

    package = {
        "best_state": checkpoint.state,
        "xp.cfg": yaml.safe_dump(checkpoint.cfg, sort_keys=False),
        "version": "1.3.0",
        "exported": True,
    }
    torch.save(package, path)


REFERENCE = re.compile(r"\$\{([\w.]+)\}")
"""`${sample_rate}`: the exported YAML refers to its own entries, by paths from the root."""


def _resolved(node: Any, root: Any) -> Any:
    """The config with references replaced by what they refer to; dangling ones are left as they
    are."""
    if isinstance(node, dict):
        return {key: _resolved(value, root) for key, value in node.items()}
    if isinstance(node, list):
        return [_resolved(value, root) for value in node]
    match = REFERENCE.fullmatch(node) if isinstance(node, str) else None
    if match is None:
        return node
    found = root
    for part in match.group(1).split("."):
        if not isinstance(found, dict) or part not in found:
            return node
        found = found[part]
    return node if found == node else _resolved(found, root)
