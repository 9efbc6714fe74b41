"""Names of SAEs and of their features."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.config import RunConfig
from pipeline.config.sections import parse_hookpoint


@dataclass(frozen=True)
class SaeSpec:
    """One SAE of a run, before it is trained."""

    name: str
    """`layerL-nN-kK`; `layerLpre-…` where it reads what enters the block."""
    hookpoint: str
    n_latents: int
    k: int


def specs(config: RunConfig, width: int) -> Iterator[SaeSpec]:
    """The SAEs that a config asks for on a residual stream of `width` dimensions."""
    for hookpoint in config.subject.hookpoints:
        for expansion in config.sae.expansions:
            for k in config.sae.ks:
                n = expansion * width
                yield spec_of(hookpoint, n, k)


def spec_of(hookpoint: str, n_latents: int, k: int) -> SaeSpec:
    """An SAE with its name."""
    block, site = parse_hookpoint(hookpoint)
    suffix = "pre" if site == "resid_pre" else ""
    return SaeSpec(f"layer{block}{suffix}-n{n_latents}-k{k}", hookpoint, n_latents, k)


def feature_key(sae: str, index: int) -> str:
    """A feature's identifier, the same in every file: `NAME/INDEX`."""
    return f"{sae}/{index}"


def seed_of(seed: int, name: str) -> int:
    """A seed for one SAE, so that its training does not depend on which others a run has."""
    digest = hashlib.sha256(f"{seed}\0{name}".encode()).digest()
    return int.from_bytes(digest[:7], "big")
