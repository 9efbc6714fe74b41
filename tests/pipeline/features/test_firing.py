"""The rule that says where a feature fires and whether it is kept."""

from __future__ import annotations

import numpy as np

from pipeline.config import FeaturesConfig
from pipeline.features.filter import drop_reasons
from pipeline.features.firing import fires, thresholds


def test_a_normalised_threshold_is_the_same_for_every_latent() -> None:
    config = FeaturesConfig(threshold=2.0, threshold_unit="normalised")
    assert thresholds(config, np.array([1.0, 10.0])).tolist() == [2.0, 2.0]


def test_a_relative_threshold_is_a_share_of_each_latents_maximum() -> None:
    config = FeaturesConfig(threshold=0.5, threshold_unit="relative")
    assert thresholds(config, np.array([1.0, 10.0])).tolist() == [0.5, 5.0]


def test_a_latent_fires_only_over_its_threshold() -> None:
    assert fires(np.array([[2.0, 2.1]]), np.array([2.0, 2.0])).tolist() == [[False, True]]


def test_each_latent_is_dropped_for_the_first_reason_that_holds() -> None:
    config = FeaturesConfig(preset="paper", min_tracks=10)
    reasons = drop_reasons(config, np.array([0, 251, 250, 9, 10, 0]), 1000)
    assert reasons == ["r = 0", "r > 0.25", "", "r < 0.01", "", "r = 0"]
    assert drop_reasons(config, np.array([5]), 100) == ["fires in fewer than 10 tracks"]
