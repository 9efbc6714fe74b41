"""The initialisation that nano subjects are trained from, and that their random control has.

A control with the library's default would be a straw man: with a standard deviation of 0.02 for
every weight the sinusoidal positions, of norm √(d / 2), swamp the code embeddings, and nothing can
be found in the residual stream. So training and control share this function, and a subject's folder
states its numbers in `init.json`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn


def initialise_decoder(
    model: nn.Module, *, seed: int, embedding_std: float, initializer_factor: float
) -> None:
    """Draw all weights of a MusicGen decoder at random, in place.

    `model` is a `MusicgenForConditionalGeneration`, of which only the decoder is changed, or a
    `MusicgenForCausalLM`. Code embeddings are normal with standard deviation `embedding_std`,
    linear weights with `initializer_factor`; biases are 0; layer norms are the identity. Positions
    are sinusoids, not parameters. Parameters are drawn in the order of their names, so that a seed
    gives the same weights in whatever order modules are built. A parameter of any other kind raises
    `ValueError`.
    """
    import torch

    decoder = getattr(model, "decoder", model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(decoder.named_parameters()):
            std = _std(name, embedding_std=embedding_std, initializer_factor=initializer_factor)
            _fill(name, parameter, std, generator)


def _std(name: str, *, embedding_std: float, initializer_factor: float) -> float:
    """Standard deviation of a parameter; 0 for constant ones."""
    if "embed_tokens" in name:
        return embedding_std
    if "layer_norm" in name or name.endswith(".bias"):
        return 0.0
    if name.endswith(".weight"):
        return initializer_factor
    raise ValueError(f"{name} is not a known parameter of a MusicGen decoder")


def _fill(name: str, parameter: torch.Tensor, std: float, generator: torch.Generator) -> None:
    import torch

    if std == 0.0:
        parameter.fill_(1.0 if name.endswith(".weight") else 0.0)
        return
    # Drawn in float32 on the CPU, whatever the model's precision and device.
    drawn = torch.randn(parameter.shape, generator=generator) * std
    parameter.copy_(drawn)
