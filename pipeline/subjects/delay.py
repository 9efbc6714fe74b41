"""The delay pattern of MusicGen's codebooks and its inverse (Copet et al., arXiv 2306.05284, 2.2).

With K = 4 codebooks, • the special token and qf codebook q of frame f:

    step        0   1   2   3   4   5
    codebook 0  •   00  01  02  03  04
    codebook 1  •   •   10  11  12  13
    codebook 2  •   •   •   20  21  22
    codebook 3  •   •   •   •   30  31

Within a step the codebooks are predicted in parallel; the delay lets codebook q of a frame depend
on the lower codebooks of the same frame, which are one step older each.
"""

from __future__ import annotations

import torch


def delayed_ids(codes: torch.Tensor, special: int) -> torch.Tensor:
    """Decoder input [batch, codebook, 1 + frame] for codes [batch, codebook, frame].

    ids[q, s] = codes[q, s − 1 − q], or the token `special` where that is before the first frame.
    The K − 1 further steps with the last frames' higher codebooks are left out: no frame is mapped
    to them. (transformers' `build_delay_pattern_mask` cuts at the first −1 and does not delay short
    inputs, so it is not used.)
    """
    batch, codebooks, frames = codes.shape
    ids = codes.new_full((batch, codebooks, frames + 1), special)
    for q in range(min(codebooks, frames)):
        ids[:, q, q + 1 :] = codes[:, q, : frames - q]
    return ids


def frames_of_steps(hidden: torch.Tensor) -> torch.Tensor:
    """Hidden states over steps [batch, 1 + frame, d] as states over frames [batch, frame, d]: frame
    f is step f + 1."""
    return hidden[:, 1:]


def codes_of(steps: torch.Tensor, frames: int) -> torch.Tensor:
    """Codes [codebook, frame] of what was sampled, `steps` [codebook, step] with the start token
    first: codes[q, f] = steps[q, f + 1 + q]. The inverse of `delayed_ids`, for steps that continue
    until the last codebook is complete."""
    return torch.stack([row[1 + q : 1 + q + frames] for q, row in enumerate(steps)])
