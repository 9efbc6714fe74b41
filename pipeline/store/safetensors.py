"""Safetensors files: read, and written so that their bytes depend only on their contents."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    import numpy as np


SAFETENSORS_DTYPES = {
    "float64": "F64", "float32": "F32", "float16": "F16",
    "int64": "I64", "int32": "I32", "int16": "I16", "uint8": "U8", "bool": "BOOL",
}  # fmt: skip

MOST_HEADER = 100_000_000
"""Bytes; the safetensors library refuses longer headers too."""


class OnDisk(NamedTuple):
    """A tensor that is too large for memory: its bytes are the contents of a file of its own."""

    path: Path
    """In C order, little endian."""
    dtype: str
    """numpy's name."""
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Its size."""
        return self.path.stat().st_size


Tensors = Mapping[str, "np.ndarray | OnDisk"]


def write_safetensors(stream: BinaryIO, tensors: Tensors, metadata: Mapping[str, str]) -> None:
    """Write a safetensors file whose bytes depend only on its contents, one tensor at a time.

    The library's own writer orders metadata by a hash map that differs between processes, so equal
    contents get different hashes. Format: header length in eight bytes, JSON header padded with
    spaces to a multiple of eight, tensors in C order, little endian (huggingface/safetensors,
    README).
    """
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    offset = 0
    for name, tensor in sorted(tensors.items()):
        dtype = tensor.dtype if isinstance(tensor, OnDisk) else tensor.dtype.name
        header[name] = {
            "dtype": SAFETENSORS_DTYPES[dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + tensor.nbytes],
        }
        offset += tensor.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    stream.write(len(text).to_bytes(8, "little") + text)
    for _, tensor in sorted(tensors.items()):
        _write_tensor(stream, tensor)


def _write_tensor(stream: BinaryIO, tensor: np.ndarray | OnDisk) -> None:
    import numpy as np

    if isinstance(tensor, OnDisk):
        with tensor.path.open("rb") as source:
            shutil.copyfileobj(source, stream, 1 << 20)
    else:
        # A view, where `tobytes` would need the memory of a second array.
        stream.write(np.ascontiguousarray(tensor).reshape(-1).view(np.uint8).data)


def metadata_of(name: str, part: Callable[[int, int], bytes]) -> dict[str, str]:
    """Metadata of a file of which `part` gives the bytes from a place to before another."""
    length = int.from_bytes(part(0, 8), "little")
    try:
        header = json.loads(part(8, 8 + min(length, MOST_HEADER)))
        found: dict[str, str] = header.get("__metadata__", {})
    except (ValueError, AttributeError) as error:
        raise PipelineError(f"{name} cannot be read as safetensors: {error}") from error
    return found


class TensorFile:
    """A safetensors file that is read in parts. Not through a mapping, as `opened_tensors` does:
    every page that was read once would count as this process's memory."""

    def __init__(self, path: Path) -> None:
        """Read the header; raises `PipelineError` if it is missing or broken."""
        import numpy as np

        kinds = {code: np.dtype(name) for name, code in SAFETENSORS_DTYPES.items()}
        self._path = path
        try:
            with path.open("rb") as stream:
                length = int.from_bytes(stream.read(8), "little")
                # A length beyond the file's is found by the JSON that is cut off.
                header = json.loads(stream.read(min(length, path.stat().st_size)))
            self.metadata: dict[str, str] = header.pop("__metadata__", {})
            for name, of in header.items():
                if of["dtype"] not in kinds:
                    raise PipelineError(
                        f"{path}: {name} is of type {of['dtype']}; known: {', '.join(kinds)}"
                    )
            self._tensors = {
                name: (kinds[of["dtype"]], tuple(of["shape"]), 8 + length + of["data_offsets"][0])
                for name, of in header.items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise PipelineError(f"{path} cannot be read as safetensors: {error}") from error

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape; raises `PipelineError` if the file has none of that name."""
        if name not in self._tensors:
            raise PipelineError(f"{self._path} has no tensor {name}")
        return self._tensors[name][1]

    def read(self, name: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """A tensor, or its rows from `start` to before `stop`."""
        import numpy as np

        shape = self.shape(name)
        dtype, _, offset = self._tensors[name]
        rows, size = (shape[0] if stop is None else stop) - start, prod(shape[1:])
        offset += start * size * dtype.itemsize
        found = np.fromfile(self._path, dtype, rows * size, offset=offset)
        if len(found) != rows * size:
            raise PipelineError(f"{self._path} is shorter than its header says")
        return found.reshape(rows, *shape[1:])


def open_tensors(path: Path) -> Any:
    """A safetensors file that stays open while the result is in use; raises `PipelineError` if it
    cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(path, framework="np")
    except (OSError, SafetensorError) as error:
        raise PipelineError(f"{path} cannot be read as safetensors: {error}") from error


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
