"""The delay pattern against its definition, entry by entry."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.subjects.delay import delayed_ids, frames_of_steps


@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 9))
def test_step_s_holds_codebook_q_of_frame_s_minus_1_minus_q(
    batch: int, codebooks: int, frames: int
) -> None:
    codes = torch.arange(batch * codebooks * frames).view(batch, codebooks, frames)
    ids = delayed_ids(codes, special=-7)
    assert ids.shape == (batch, codebooks, frames + 1)
    for b in range(batch):
        for q in range(codebooks):
            for s in range(frames + 1):
                frame = s - 1 - q
                assert ids[b, q, s] == (codes[b, q, frame] if frame >= 0 else -7)


def test_the_hidden_state_of_step_s_goes_to_frame_s_minus_1() -> None:
    hidden = torch.arange(5.0)[None, :, None]
    assert frames_of_steps(hidden)[0, :, 0].tolist() == [1.0, 2.0, 3.0, 4.0]


def test_the_delay_is_transformers_own() -> None:
    from transformers import MusicgenDecoderConfig, MusicgenForCausalLM

    config = MusicgenDecoderConfig(
        vocab_size=64, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, ffn_dim=8,
        num_codebooks=4, pad_token_id=64, bos_token_id=64,
    )  # fmt: skip
    codes = torch.randint(0, 64, (2, 4, 12), generator=torch.Generator().manual_seed(0))
    start = torch.full((2 * 4, 1), 64)
    model = MusicgenForCausalLM(config)
    _, pattern = model.build_delay_pattern_mask(start, pad_token_id=64, max_length=12 + 4)
    theirs = pattern.view(2, 4, -1)
    free = theirs == -1
    ours = delayed_ids(codes, special=64)
    assert torch.equal(ours == 64, ~free[..., : ours.shape[-1]])
