"""FVU, L0 and dead share against slow definitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.sae import checkpoint
from pipeline.sae.evaluate import FRAMES_AT_ONCE, evaluate, frames_of_tracks
from pipeline.sae.model import TopKSae
from pipeline.store.activations import read_shards
from pipeline.store.run_directory import RunDirectory

HOOKPOINT = "decoder.layers.1.resid_post"


def axes(n: int = 4, k: int = 2) -> TopKSae:
    """Latents are the positive parts of the dimensions, the k largest kept."""
    sae = TopKSae(n, n, k)
    with torch.no_grad():
        sae.W_enc.copy_(torch.eye(n))
        sae.W_dec.copy_(torch.eye(n))
    return sae


def test_fvu_is_the_sum_of_errors_over_the_sum_of_squares_about_the_mean() -> None:
    """x̂ keeps the two largest positive entries; x̄ = (2, 1, 0, 1), not the SAE's centre, 0."""
    x = torch.tensor([[4.0, 0, 0, 2], [0, 2, 0, 0], [2, 1, 0, 1.0]])
    found = evaluate(axes(), [x])
    assert found is not None
    # Only the last frame has a third entry, of 1: SSE = 1. SST = (4 + 1 + 1) + (4 + 1 + 1) + 0.
    assert found.fvu == pytest.approx(1 / 12)
    assert (found.frames, found.l0, found.dead_share) == (3, (2 + 1 + 2) / 3, 1 / 4)
    # Latents 0, 1 and 3 fire in 2, 2 and 1 of 3 frames. b_dec is 0, and the last frame (2, 1, 0, 1)
    # becomes (2, 1, 0, 0).
    assert (found.dense_share, found.densities) == (3 / 4, (0, 0, 0, 0, 0, 3))
    assert found.cosine == pytest.approx((1 + 1 + 5 / (6 * 5) ** 0.5) / 3)


def test_a_latents_density_falls_into_the_bin_of_its_upper_edge() -> None:
    x = torch.zeros(1000, 4)
    x[:, 0] = 1
    x[:100, 1] = 1  # exactly a tenth of the frames: not dense
    x[:2, 2] = 1
    found = evaluate(axes(k=3), [x])
    assert found is not None
    assert (found.densities, found.dense_share) == ((0, 0, 0, 1, 1, 1), 1 / 4)


def test_parts_scale_and_centre_make_no_difference() -> None:
    generator = torch.Generator().manual_seed(0)
    sae = TopKSae(6, 20, 3)
    sae.initialise(generator, torch.randn(6, generator=generator))
    # Far from the origin: about 0 the sum of squares would lose its digits in float32.
    x = torch.randn(3 * FRAMES_AT_ONCE + 7, 6, generator=generator) + sae.b_dec.detach() + 300
    one, parts = evaluate(sae, [x]), evaluate(sae, [x[:5] * 8, x[5:] * 8], scale=8.0)
    assert one is not None
    assert parts is not None
    with torch.no_grad():
        wide = x.double().numpy()
        error = wide - sae.decode(sae.encode(x)).double().numpy()
    assert one.fvu == pytest.approx((error**2).sum() / ((wide - wide.mean(0)) ** 2).sum(), rel=1e-5)
    assert parts.fvu == pytest.approx(one.fvu, rel=1e-5)
    assert (parts.frames, parts.l0, parts.dead_share) == (one.frames, one.l0, one.dead_share)


@pytest.mark.parametrize("frames", [[], [torch.ones(5, 4)]])
def test_nothing_to_explain_has_no_figure(frames: list[torch.Tensor]) -> None:
    assert evaluate(axes(), frames) is None


def test_a_run_keeps_each_saes_figures_on_validation_tracks(finished_run: Path) -> None:
    directory = RunDirectory(finished_run)
    rows = directory.read_table("corpus.parquet").to_pylist()
    splits = {
        split: frozenset(row["track"] for row in rows if row["split"] == split)
        for split in ("train", "validation")
    }
    kept = directory.summary("sae")["validation"]
    assert list(kept) == list(directory.sae_names())
    for name in directory.sae_names():
        stored = checkpoint.load(directory, name)
        hookpoint = stored.facts.hookpoint
        frames = torch.cat(list(frames_of_tracks(directory, hookpoint, splits["validation"])))
        x = frames.float()
        latents = stored.sae.encode(x)
        error = (x - stored.sae.decode(latents)).double().square().sum()
        fvu = float(error / (x - x.mean(dim=0)).double().square().sum())
        fired = (latents.dense(128) > 0).double()
        assert stored.facts.validation_fvu == pytest.approx(fvu, rel=1e-4)
        assert stored.facts.validation_l0 == pytest.approx(float(fired.sum(dim=1).mean()), rel=1e-3)
        dead = float((fired.sum(dim=0) == 0).double().mean())
        assert stored.facts.validation_dead_share == pytest.approx(dead, abs=0.02)
        assert kept[name] == {
            "frames": len(x), "fvu": stored.facts.validation_fvu,
            "l0": stored.facts.validation_l0, "dead_share": stored.facts.validation_dead_share,
            "dense_share": stored.facts.validation_dense_share,
            "cosine": stored.facts.validation_cosine, "densities": kept[name]["densities"],
        }  # fmt: skip
        # Train frames, on which it learned, are explained better, and the raw SAE says the same.
        learned = evaluate(stored.sae, frames_of_tracks(directory, hookpoint, splits["train"]))
        again = evaluate(stored.sae, [frames])
        assert learned is not None
        assert again is not None
        assert learned.fvu < fvu
        np.testing.assert_allclose(again.fvu, fvu, rtol=1e-4)


class RowsOnly(RunDirectory):
    """A run whose files are too large to be read whole."""

    def read_tensors(self, relative: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        raise MemoryError(relative)


def test_frames_are_the_same_to_the_last_digit_without_reading_a_file_whole(
    finished_run: Path,
) -> None:
    wanted = frozenset(f"t{n:03d}" for n in range(0, 48, 5))
    found = list(frames_of_tracks(RowsOnly(finished_run), HOOKPOINT, wanted))
    expected = []
    for facts, array in read_shards(RunDirectory(finished_run), HOOKPOINT):
        rows = [row for row, track in enumerate(facts.tracks) if track in wanted]
        expected += [torch.from_numpy(array[rows]).flatten(0, 1)] if rows else []
    assert len(found) == len(expected) > 1
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == torch.float16
        assert torch.equal(one, other)


def test_the_frames_are_those_of_the_tracks_in_every_shard(finished_run: Path) -> None:
    directory = RunDirectory(finished_run)
    parts = list(frames_of_tracks(directory, HOOKPOINT, frozenset({"t000", "t001", "t004"})))
    assert [part.shape for part in parts] == [(2 * 97, 32), (77, 32)]
    assert list(frames_of_tracks(directory, HOOKPOINT, frozenset())) == []
