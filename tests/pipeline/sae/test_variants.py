"""Which latents fire: of a batch in training, by a stored threshold afterwards."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pipeline.config.sections import VARIANTS as OF_CONFIG
from pipeline.errors import PipelineError
from pipeline.sae.jumprelu import BANDWIDTH, PENALTY, JumpRelu
from pipeline.sae.model import Latents, ThresholdSae, TopKSae
from pipeline.sae.trainer import Training, Wanted, train
from pipeline.sae.variants import VARIANTS, BatchTopK, variant_of, with_threshold
from tests.pipeline.sae.test_trainer import CONFIG, PlantedFrames, trained


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("prefixes", [(), (0.5,)])
def test_every_variant_finds_planted_directions_and_k_per_frame(
    variant: str, prefixes: tuple[float, ...]
) -> None:
    config = replace(CONFIG, variant=variant, prefixes=prefixes)
    made = train(
        config, PlantedFrames(), n_latents=24, k=2, seed=0, device="cpu", advance=lambda _: None
    )
    cosines = PlantedFrames().directions @ made.sae.W_dec.T
    found = 0.8 if variant == "jumprelu" else 0.9  # Thresholds take longer to train.
    assert (cosines.max(dim=1).values > found).sum() >= 11
    x = PlantedFrames(seed=0)._cached.float() / made.scale
    firing = (made.sae.encode(x).values > 0).sum(dim=1).float()
    assert firing.mean().item() == pytest.approx(2.0, abs=0.1)


def test_the_first_latents_of_a_matryoshka_sae_reconstruct_by_themselves() -> None:
    """Half of the latents alone: better than half of those of an SAE that was not told to."""
    errors = {}
    for prefixes in ((), (0.5,)):
        made = trained(replace(CONFIG, prefixes=prefixes))
        x = PlantedFrames()._cached.float() / made.scale
        latents = made.sae.encode(x)
        half = Latents(latents.values * (latents.indices < 12), latents.indices)
        errors[prefixes] = float((x - made.sae.decode(half)).square().mean())
    assert errors[0.5,] < 0.7 * errors[()]


def test_the_largest_of_the_batch_fire_k_per_frame_on_average() -> None:
    values = torch.tensor([[9.0, 8, 7, 6], [5, 1, 0, 0], [4, 3, 2, 0]])
    sae = TopKSae(2, 40, 1)
    fired = BatchTopK(1, 40).fire(sae, Latents(values, torch.zeros(3, 4, dtype=torch.int64)))
    assert fired.latents.values.tolist() == [[9, 8, 7, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    # Fewer than k per frame over 0: those that are.
    few = Latents(torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.zeros(2, 2, dtype=torch.int64))
    assert BatchTopK(1, 2).fire(sae, few).latents.values.tolist() == [[2, 0], [0, 0]]


def test_a_frames_latents_do_not_depend_on_the_other_frames() -> None:
    sae = TopKSae(6, 20, 3)
    sae.initialise(torch.Generator().manual_seed(0), torch.zeros(6))
    x = torch.randn(50, 6, generator=torch.Generator().manual_seed(1))
    made = BatchTopK(3, 20).finished(sae, x).requires_grad_(False)
    assert isinstance(made, ThresholdSae)
    together = made.encode(x).dense(20)
    assert int((together > 0).sum()) == 150
    for row in (0, 17):
        torch.testing.assert_close(made.encode(x[row : row + 1]).dense(20)[0], together[row])
    # A frame without any latent, alone and beside others; no frame at all.
    silent = with_threshold(sae, 1e6)
    assert silent.encode(x).values.tolist() == [[0.0]] * 50
    assert made.encode(x[:0]).values.shape == (0, 1)


def test_thresholds_get_the_derivatives_of_a_smoothed_step() -> None:
    """Those of the paper's equations, computed densely; 4 k is n, so that all are candidates."""
    generator = torch.Generator().manual_seed(0)
    variant = JumpRelu(3, 12)
    sae = variant.sae(16)
    sae.initialise(generator, torch.zeros(16))
    x = torch.randn(40, 16, generator=generator)
    variant.begin(sae, x)
    assert float((sae.preactivations(x) > sae.log_threshold.exp()).sum()) == 3 * 40
    with torch.no_grad():
        sae.log_threshold += 0.2 * torch.randn(12, generator=generator)
    training = Training(Wanted(replace(CONFIG, aux_k=0, variant="jumprelu"), 12, 3, 0), sae)
    y, theta = sae.preactivations(x).detach(), sae.log_threshold.detach().exp()
    z = y * (y > theta)
    rows = sae.W_dec.detach().clone()
    error, share = training._step(x)
    assert float(share) == 1
    torch.testing.assert_close(error, x - z @ rows)
    epsilon = BANDWIDTH * 4
    window = ((y - theta).abs() < epsilon / 2).float()
    assert 0 < int((window * (y < theta)).sum()) < int(window.sum())
    d_z = -2 * error @ rows.T / error.numel()
    l0 = (z > 0).sum() / 40
    d_l0 = PENALTY * 2 * (l0 / 3 - 1) / 3 / 40
    expected = -(window / epsilon * (theta * d_z + d_l0)).sum(dim=0) * theta
    torch.testing.assert_close(sae.log_threshold.grad, expected, rtol=1e-4, atol=1e-6)


def test_an_unknown_variant_is_refused_with_the_known_ones() -> None:
    assert set(VARIANTS) == set(OF_CONFIG)
    with pytest.raises(
        PipelineError, match="unknown SAE variant 'gated'; known: topk, batch-topk, "
    ):
        variant_of("gated", 3, 20)
