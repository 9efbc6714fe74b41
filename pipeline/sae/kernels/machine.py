"""Which products of low precision this machine computes in hardware."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch

X86 = ("avx512_bf16", "amx_bf16")
"""Names in torch's list of a processor's capabilities."""
X86_INT8 = ("avx512_vnni", "avx_vnni", "amx_int8")
"""The same for products of 8-bit integers. Older processors' would overflow."""


@cache
def has_bf16(device: str) -> bool:
    """Whether `device` ("cpu", "cuda", "cuda:1") has instructions for bf16 products.

    Without them torch would still compute these products, but many times more slowly than in fp32.
    """
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in X86) or _arm_has_bf16()


@cache
def has_int8(device: str) -> bool:
    """Whether `device` has instructions for exact products of 8-bit integers, which torch uses on
    x86 only."""
    capabilities = torch.cpu.get_capabilities()
    return not device.startswith("cuda") and any(capabilities.get(name) for name in X86_INT8)


def _arm_has_bf16() -> bool:
    """Linux names the extension `bf16` among an ARM processor's features."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return False
    return any("bf16" in line.split() for line in lines if line.startswith("Features"))
