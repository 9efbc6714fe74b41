"""The delay pattern of MusicGen's codebooks (Copet et al., arXiv 2306.05284), both ways."""

from __future__ import annotations

import torch


def delayed_ids(codes: torch.Tensor, special: int) -> torch.Tensor:
    """Decoder input [batch, codebook, 1 + frame] for codes [batch, codebook, frame].

    Step s holds codebook q of frame s − 1 − q, and the token `special` where there is none.
    The K − 1 further steps that would hold the last frames' higher codebooks are left out: no
    frame is mapped to them. (transformers' `build_delay_pattern_mask` cuts at the first −1 and
    leaves short inputs as they are, so it is not used.)
    """
    batch, codebooks, frames = codes.shape
    ids = codes.new_full((batch, codebooks, frames + 1), special)
    for q in range(min(codebooks, frames)):
        ids[:, q, q + 1 :] = codes[:, q, : frames - q]
    return ids


def frames_of_steps(hidden: torch.Tensor) -> torch.Tensor:
    """Hidden states [batch, 1 + frame, d] over steps as [batch, frame, d] over audio frames."""
    return hidden[:, 1:]


def codes_of(steps: torch.Tensor, frames: int) -> torch.Tensor:
    """Codes [codebook, frame] of what was drawn over steps [codebook, step], start token first:
    the inverse of `delayed_ids`, for steps that go on until the last codebook is done."""
    return torch.stack([row[1 + q : 1 + q + frames] for q, row in enumerate(steps)])
