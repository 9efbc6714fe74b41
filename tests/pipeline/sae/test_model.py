"""The sparse autoencoder against loops."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sae.model import TopKSae, geometric_median


def random_sae(width: int = 6, n_latents: int = 20, k: int = 3, seed: int = 0) -> TopKSae:
    generator = torch.Generator().manual_seed(seed)
    sae = TopKSae(width, n_latents, k)
    sae.initialise(generator, torch.randn(width, generator=generator))
    with torch.no_grad():
        sae.W_enc.normal_(generator=generator)
        sae.b_enc.normal_(generator=generator)
    return sae


def slow_latents(sae: TopKSae, x: torch.Tensor) -> torch.Tensor:
    """ReLU((x − b_dec) W_enc + b_enc), all but the k largest set to 0, one frame after another."""
    dense = torch.zeros(len(x), sae.n_latents)
    for row, frame in enumerate(x):
        values = [
            max(0.0, (sae.W_enc[:, j] @ (frame - sae.b_dec) + sae.b_enc[j]).item())
            for j in range(sae.n_latents)
        ]
        for j in sorted(range(sae.n_latents), key=lambda j: -values[j])[: sae.k]:
            dense[row, j] = values[j]
    return dense


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 8), st.integers(0, 99))
def test_encode_and_decode_are_those_of_the_formula(k: int, seed: int) -> None:
    sae = random_sae(k=k, seed=seed)
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(seed))
    latents = sae.encode(x)
    dense = slow_latents(sae, x)
    torch.testing.assert_close(latents.dense(20), dense, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        sae.decode(latents), dense @ sae.W_dec + sae.b_dec, rtol=1e-4, atol=1e-5
    )


def test_weights_have_the_names_and_shapes_of_saelens() -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in TopKSae(6, 20, 3).named_parameters()}
    assert shapes == {"W_enc": (6, 20), "b_enc": (20,), "W_dec": (20, 6), "b_dec": (6,)}


def test_the_start_has_unit_directions_and_a_tied_encoder() -> None:
    sae = TopKSae(6, 20, 3)
    sae.initialise(torch.Generator().manual_seed(0), torch.ones(6))
    torch.testing.assert_close(sae.W_dec.norm(dim=1), torch.ones(20))
    assert torch.equal(sae.W_enc, sae.W_dec.T)
    assert sae.b_dec.tolist() == [1.0] * 6


def test_a_scaled_start_reconstructs_with_the_length_that_fits_best() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(60, 6, generator=generator) + 1.0
    errors: dict[float | None, torch.Tensor] = {}
    for factor in (None, 0.9, 1.0, 1.1):
        sae = TopKSae(6, 200, 5)
        sae.initialise(torch.Generator().manual_seed(0), torch.ones(6))
        if factor is not None:
            sae.fit_scale(torch.split(x, 25))
            sae.W_enc.detach().mul_(factor)
        errors[factor] = (x - sae.decode(sae.encode(x))).detach().square().sum()
    assert errors[1.0] < min(errors[0.9], errors[1.1]) < errors[None]
    # Frames that are all b_dec give no scale.
    sae = random_sae()
    before = sae.W_enc.clone()
    sae.fit_scale([sae.b_dec.detach()[None]])
    assert torch.equal(sae.W_enc, before)


def test_the_projected_gradient_is_orthogonal_to_each_direction() -> None:
    sae = random_sae()
    x = torch.randn(50, 6, generator=torch.Generator().manual_seed(2))
    (x - sae.decode(sae.encode(x))).square().mean().backward()
    sae.project_decoder_gradient()
    assert sae.W_dec.grad is not None
    assert (sae.W_dec.grad * sae.W_dec).sum(dim=1).abs().max() < 1e-5


def test_the_geometric_median_is_not_dragged_by_an_outlier() -> None:
    points = torch.cat([torch.randn(200, 3, generator=torch.Generator().manual_seed(0)),
                        torch.full((5, 3), 1e4)])  # fmt: skip
    median = geometric_median(points)
    assert median.norm() < 0.5
    assert points.mean(dim=0).norm() > 100
    worse = [(points - median - step).norm(dim=1).sum() for step in 0.05 * torch.eye(3)]
    assert (points - median).norm(dim=1).sum() <= min(worse)


def test_the_geometric_median_of_one_point_is_it() -> None:
    assert geometric_median(torch.tensor([[1.0, 2.0]])).tolist() == pytest.approx([1.0, 2.0])
