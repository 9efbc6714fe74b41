"""Safetensors files in memory, for tests that change one."""

from __future__ import annotations

import io
from collections.abc import Mapping

from pipeline.store.safetensors import Tensors, write_safetensors


def safetensors_bytes(tensors: Tensors, metadata: Mapping[str, str]) -> bytes:
    """The bytes of a small safetensors file."""
    stream = io.BytesIO()
    write_safetensors(stream, tensors, metadata)
    return stream.getvalue()
