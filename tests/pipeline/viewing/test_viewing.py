"""Figures and pictures of a feature: shapes, edge cases, a tone's place in a spectrogram."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.store.activations import ShardFacts
from pipeline.viewing import spectrogram
from pipeline.viewing.facts import BINS, histogram, quantile_tracks, timeline

SHARD = ShardFacts(("t",), "f", "decoder.layers.0.resid_post", "d", 50.0, 3)


def test_a_histogram_counts_the_active_tracks_and_names_the_silent() -> None:
    found = histogram(np.array([0.0, 0.1, 1.0, 1.0, 0.0, 0.52]))
    assert (sum(found.counts), found.silent, len(found.counts)) == (4, 2, BINS)
    assert (found.edges[0], found.edges[-1]) == (0.0, 1.0)
    assert (found.counts[-1], found.counts[2]) == (2, 1)


def test_a_feature_that_is_never_active_has_an_empty_histogram_and_no_quantiles() -> None:
    found = histogram(np.zeros(5))
    assert (sum(found.counts), found.silent) == (0, 5)
    assert quantile_tracks(["a"] * 5, np.zeros(5)) == ()


def test_quantile_tracks_are_active_distinct_and_in_order() -> None:
    means = np.array([0.0, *np.linspace(0.1, 0.9, 9)])
    found = quantile_tracks([f"t{n}" for n in range(10)], means)
    assert [row.track for row in found] == ["t2", "t3", "t5", "t7", "t8"]
    assert len(quantile_tracks(["a", "b"], np.array([0.0, 1.0]))) == 1


def test_a_timeline_is_scaled_to_its_strongest_frame() -> None:
    found = timeline(np.array([0.0, 2.0, 4.0]), SHARD)
    assert (found.values, found.scale, found.first_frame) == ((0, 128, 255), 4.0, 3)
    assert timeline(np.zeros(2), SHARD).values == (0, 0)


def test_a_tone_is_a_line_at_its_height_and_moves_up_with_its_pitch() -> None:
    time = np.arange(32_000) / 32_000
    low, high = (
        spectrogram.pixels(np.sin(2 * np.pi * f * time).astype(np.float32), 32_000)
        for f in (300, 4000)
    )
    assert low.shape == (spectrogram.BANDS, 32_000 // -(-32_000 // spectrogram.WIDTH) + 1)
    brightest = [int(picture.mean(axis=1).argmax()) for picture in (low, high)]
    assert brightest[0] > brightest[1]  # Row 0 is the highest band.
    assert low.max() == 255


@pytest.mark.parametrize("samples", [np.zeros(8000), np.zeros(10)])
def test_silence_and_a_moment_are_dark_pictures(samples: np.ndarray) -> None:
    data = spectrogram.png(samples.astype(np.float32), 8000)
    picture = Image.open(io.BytesIO(data))
    assert picture.mode == "P"
    assert int(np.asarray(picture).max()) == 0
