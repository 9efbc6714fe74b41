"""Training finds planted directions, revives dead ones, and repeats itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pipeline.config import SaeConfig
from pipeline.errors import PipelineError
from pipeline.sae.frames import TrainingFrames
from pipeline.sae.kernels.base import Encoder
from pipeline.sae.model import Latents, TopKSae
from pipeline.sae.trainer import TrainedSae, Training, Wanted, schedule, train
from pipeline.store.activations import read_shards
from pipeline.store.run_directory import RunDirectory

CONFIG = SaeConfig(steps=400, batch_frames=256, learning_rate=3e-3, aux_k=8)


class PlantedFrames(TrainingFrames):
    """Frames that are sums of two of twelve directions, far from the origin."""

    def __init__(self, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.directions = torch.nn.functional.normalize(
            torch.randn(12, 24, generator=generator), dim=1
        )
        chosen = torch.rand(4000, 12, generator=generator).topk(2, dim=1).indices
        strengths = 1 + torch.rand(4000, 2, generator=generator)
        z = torch.zeros(4000, 12).scatter(1, chosen, strengths)
        self._cached = (7.0 * (z @ self.directions) + 50.0).half()


def trained(config: SaeConfig = CONFIG, seed: int = 0, n_latents: int = 24) -> TrainedSae:
    return train(
        config, PlantedFrames(), n_latents=n_latents, k=2, seed=seed, device="cpu",
        advance=lambda _: None,
    )  # fmt: skip


@pytest.fixture(scope="module")
def result() -> TrainedSae:
    return trained()


def test_planted_directions_are_found(result: TrainedSae) -> None:
    cosines = PlantedFrames().directions @ result.sae.W_dec.T
    assert (cosines.max(dim=1).values > 0.95).sum() >= 11


def test_the_error_falls_and_the_history_says_so(result: TrainedSae) -> None:
    assert result.history[-1].step == CONFIG.steps
    first, last = result.history[0], result.history[-1]
    assert last.batch_variance_explained > 0.9 > first.batch_variance_explained
    assert last.batch_mse < 0.1 * first.batch_mse


def test_the_decoder_keeps_unit_norm(result: TrainedSae) -> None:
    torch.testing.assert_close(result.sae.W_dec.norm(dim=1), torch.ones(24))


def test_the_scale_is_the_rms_about_the_centre(result: TrainedSae) -> None:
    frames = next(PlantedFrames()._pools(torch.Generator())).float()
    rms = (frames - frames.mean(dim=0)).square().mean().sqrt()
    assert result.scale == pytest.approx(float(rms), rel=0.05)


def test_the_same_seed_gives_the_same_weights_and_another_gives_others() -> None:
    short = replace(CONFIG, steps=20)
    one, again, other = trained(short), trained(short), trained(short, seed=1)
    assert torch.equal(one.sae.W_dec, again.sae.W_dec)
    assert not torch.equal(one.sae.W_dec, other.sae.W_dec)


def test_auxk_lets_dead_latents_alone_explain_the_error() -> None:
    config = replace(CONFIG, aux_k=2, aux_weight=0.5, dead_after_frames=1_000)
    sae = TopKSae(6, 8, 3)
    sae.initialise(torch.Generator().manual_seed(0), torch.zeros(6))
    trainer = Training(Wanted(config, 8, 3, 0), sae)
    dead = torch.tensor([1, 4, 6])
    trainer._silent_frames[dead] = 1_001
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(1))
    error = torch.randn(5, 6, generator=torch.Generator().manual_seed(2))
    encoder = Encoder.of(sae)
    loss = trainer._aux_loss(x, trainer._kernel.scores(encoder, x), encoder, error)
    loss.backward()
    explained = torch.zeros(5, 6)
    for row in range(5):
        ranked = sorted(dead.tolist(), key=lambda j: -float(sae.W_enc[:, j].detach() @ x[row]))
        for j in ranked[:2]:
            strength = max(0.0, float(sae.W_enc[:, j].detach() @ x[row]))
            explained[row] += strength * sae.W_dec[j].detach()
    assert loss.item() == pytest.approx(0.5 * (error - explained).square().mean().item())
    assert sae.W_dec.grad is not None
    assert set(sae.W_dec.grad.abs().sum(dim=1).nonzero()[:, 0].tolist()) <= set(dead.tolist())


def test_a_latent_is_dead_after_the_stated_frames_and_alive_once_it_fires() -> None:
    config = replace(CONFIG, dead_after_frames=9)
    trainer = Training(Wanted(config, 3, 1, 0), TopKSae(6, 3, 1))
    silent = Latents(torch.tensor([[1.0], [0.0]]), torch.tensor([[0], [2]]))
    trainer._note_firing(silent, 5)
    trainer._note_firing(silent, 5)
    assert trainer._dead.tolist() == [False, True, True]
    trainer._note_firing(Latents(torch.tensor([[0.5]]), torch.tensor([[1]])), 1)
    assert trainer._dead.tolist() == [False, False, True]


def test_the_learning_rate_rises_stays_and_falls() -> None:
    config = SaeConfig(steps=100, warmup_share=0.1, decay_share=0.2)
    factors = [schedule(step, config) for step in (1, 10, 50, 81, 100)]
    assert factors == pytest.approx([0.1, 1.0, 1.0, 1.0, 0.05])


def test_batches_come_from_train_tracks_alone(finished_run: Path) -> None:
    directory = RunDirectory(finished_run)
    frames = TrainingFrames(directory, "decoder.layers.0.resid_post", frozenset({"t000"}))
    batch = next(frames.batches(10_000, torch.Generator()))
    assert batch.shape == (97, 32)  # 2 s of 50 frames less the three with special tokens
    nothing = TrainingFrames(directory, "decoder.layers.0.resid_post", frozenset())
    endless = nothing.batches(10, torch.Generator())
    with pytest.raises(PipelineError, match="nothing to learn"):
        next(endless)


@pytest.mark.parametrize(("pool_frames", "sizes"), [(4_000, {924, 3_492}), (10_000, {4_416})])
def test_an_epoch_sees_every_frame_once_in_pools_of_whole_shards(
    pool_frames: int, sizes: set[int], finished_run: Path
) -> None:
    """36 tracks of 97 frames lie in one shard, 12 of 77 in another."""
    directory, hookpoint = RunDirectory(finished_run), "decoder.layers.0.resid_post"
    tracks = frozenset(f"t{n:03d}" for n in range(48))
    frames = TrainingFrames(directory, hookpoint, tracks, pool_frames=pool_frames)
    pools = list(frames._pools(torch.Generator()))
    assert {len(pool) for pool in pools} == sizes
    batches = frames.batches(11, torch.Generator().manual_seed(3))
    seen = torch.cat([next(batches) for _ in range(4_416 // 11 - len(pools) + 1)])
    stored = torch.cat(
        [torch.from_numpy(array).flatten(0, 1) for _, array in read_shards(directory, hookpoint)]
    )
    # Frames repeat in the stored ones too, so that they are counted, not compared as sets.
    times = Counter(map(tuple, stored.tolist()))
    assert Counter(map(tuple, torch.cat(pools).tolist())) == times
    assert not Counter(map(tuple, seen.tolist())) - times
    assert not torch.equal(seen[:100], stored[:100])
