"""Blocks for models that transformers' MusicGen has no class for: norms after each part, biases.

No published MusicGen is made so, but audiocraft's defaults are, and with them its debug model.
The parts are transformers' own; the order is that of audiocraft's `StreamingTransformerLayer`
with `norm_first=False`, whose cross-attention asks with the block's input, not with what
self-attention made of it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.activations import ACT2FN
from transformers.models.musicgen.modeling_musicgen import MusicgenAttention


class PostNormBlock(nn.Module):
    """A stand-in for `MusicgenDecoderLayer`, called as that is."""

    def __init__(self, config: Any, block: int) -> None:
        super().__init__()
        width = config.hidden_size
        shared = {"config": config, "layer_idx": block, "is_decoder": True, "bias": True}
        heads = config.num_attention_heads
        self.self_attn = MusicgenAttention(width, heads, is_causal=True, **shared)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.encoder_attn = MusicgenAttention(width, heads, **shared)
        self.encoder_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, config.ffn_dim)
        self.fc2 = nn.Linear(config.ffn_dim, width)
        self.final_layer_norm = nn.LayerNorm(width)
        self.activation = ACT2FN[config.activation_function]

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        encoder_hidden_states: torch.Tensor | None = None,
        encoder_attention_mask: torch.Tensor | None = None,
        past_key_values: Any = None,
        use_cache: bool = True,
        **kwargs: Any,
    ) -> torch.Tensor:
        """The stream [batch, step, d] after this block."""
        entered = hidden_states
        attended, _ = self.self_attn(
            entered, past_key_values=past_key_values, attention_mask=attention_mask, **kwargs
        )
        hidden = self.self_attn_layer_norm(entered + attended)
        if encoder_hidden_states is not None:
            # audiocraft gives its cross-attention no mask: padding is zeros, and is attended to.
            crossed, _ = self.encoder_attn(
                entered, key_value_states=encoder_hidden_states, attention_mask=None,
                past_key_values=past_key_values, **kwargs,
            )  # fmt: skip
            hidden = self.encoder_attn_layer_norm(hidden + crossed)
        changed: torch.Tensor = self.fc2(self.activation(self.fc1(hidden)))
        normed: torch.Tensor = self.final_layer_norm(hidden + changed)
        return normed


def put_in(model: Any) -> None:
    """Change a `MusicgenForCausalLM` in place: post-norm blocks, no final norm, biased heads."""
    config, decoder = model.config, model.model.decoder
    decoder.layers = nn.ModuleList(
        [PostNormBlock(config, block) for block in range(config.num_hidden_layers)]
    )
    decoder.layer_norm = nn.Identity()
    model.lm_heads = nn.ModuleList(
        [nn.Linear(config.hidden_size, config.vocab_size) for _ in range(config.num_codebooks)]
    )
