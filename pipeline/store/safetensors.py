"""Safetensors files: read, and written so that their bytes depend only on their contents."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    import numpy as np


SAFETENSORS_DTYPES = {
    "float64": "F64", "float32": "F32", "float16": "F16",
    "int64": "I64", "int32": "I32", "int16": "I16", "uint8": "U8", "bool": "BOOL",
}  # fmt: skip


def safetensors_bytes(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    """The bytes of a safetensors file, which depend only on its contents.

    The library's own writer orders metadata by a hash map that differs between processes, so equal
    contents get different hashes. Format: header length in eight bytes, JSON header padded with
    spaces to a multiple of eight, tensors in C order, little endian (huggingface/safetensors,
    README).
    """
    import numpy as np

    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    arrays = [np.ascontiguousarray(tensors[name]) for name in sorted(tensors)]
    offset = 0
    for name, array in zip(sorted(tensors), arrays, strict=True):
        header[name] = {
            "dtype": SAFETENSORS_DTYPES[array.dtype.name],
            "shape": list(np.shape(tensors[name])),
            "data_offsets": [offset, offset + array.nbytes],
        }
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *(a.tobytes() for a in arrays)])


@contextmanager
def opened_tensors(path: Path) -> Iterator[Any]:
    """A safetensors file; raises `PipelineError` if it cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as opened:
            yield opened
    except (OSError, SafetensorError, TypeError) as error:  # TypeError: numpy has no bfloat16
        raise PipelineError(f"{path} cannot be read as safetensors: {error}") from error


def all_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Tensors and metadata of a file; raises `PipelineError` if it cannot be read."""
    with opened_tensors(path) as opened:
        names = list(opened.keys())
        return {name: opened.get_tensor(name) for name in names}, opened.metadata() or {}
