"""What steering did to one feature: its clips in the order in which they are shown, its curves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.store.records import table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.steering_tables import SteeringRecord
from pipeline.viewing.steering import evaluated, steered
from tests.studyapp import run_steering


def record(feature: str, seed: int, alpha: float) -> SteeringRecord:
    return SteeringRecord(
        feature=feature, hookpoint="decoder.layers.0.resid_post", alpha=alpha, beta=1.0,
        halves="both", prompt="Simple melody", seed=seed, seconds=1.0, clip=f"{seed}-{alpha}",
        plain_clip=f"{seed}", changed_share=0.5,
    )  # fmt: skip


def test_a_features_own_clips_by_seed_and_strength(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    directory.begin({"key": "k"})
    assert steered(directory, "sae", "sae/1") == []
    rows = [record("sae/1", 1, 2.0), record("sae/2", 0, 1.0), record("sae/1", 0, 1.0),
            record("sae/1", 1, 0.5),
            replace(record("sae/1", 0, 1.0), intervention="random-direction")]  # fmt: skip
    with directory.writer("steering") as writer:
        writer.write_table("steering/sae.parquet", table_of(SteeringRecord, rows))
    found = [(r.seed, r.intervention, r.alpha) for r in steered(directory, "sae", "sae/1")]
    assert found == [
        (0, "add", 1.0), (0, "random-direction", 1.0), (1, "add", 0.5), (1, "add", 2.0)
    ]  # fmt: skip
    assert steered(directory, "other", "sae/1") == []


def test_a_features_dose_curves_stand_beside_random_directions_of_its_length(
    tmp_path: Path,
) -> None:
    directory = RunDirectory(tmp_path / "run")
    directory.begin({"key": "k"})
    assert evaluated(directory, "sae", "sae/0") is None
    run_steering.evaluate(directory, "sae", features=3)
    found = evaluated(directory, "sae", "sae/0")
    assert found is not None
    add = found["interventions"]["add"]
    assert [*found["interventions"]] == ["add", "prompt"]
    # Rises of 0.1 and 0.3 per unit of α: 0.2 ± t(0.975, 1 degree of freedom) × 0.1.
    one, two = add["curves"]["similarity"]
    assert (one["alpha"], two["alpha"]) == (1.0, 2.0)
    assert one["mean"] == pytest.approx(0.2)
    assert (one["low"], one["high"]) == pytest.approx(
        (0.2 - 12.7062 * 0.1, 0.2 + 12.7062 * 0.1), rel=1e-4
    )
    assert two["mean"] == pytest.approx(0.4)
    # The directions are half as long as the feature's vector: 0.01 and 0.03 become 0.02 and 0.06.
    band = found["random"]["similarity"][0]
    assert (band["mean"], band["directions"]) == (pytest.approx(0.04), 2)
    assert (band["low"], band["high"]) == pytest.approx((0.022, 0.058))
    # How far others move is no signed effect, and is taken as it is.
    assert found["random"]["others_moved"][0]["mean"] == pytest.approx(0.4)
    assert "concept_score" not in add["curves"]
    assert add["slopes"]["similarity"]["q"] == pytest.approx(0.04)
    assert [one["other"] for one in add["moved"]] == ["sae/1", "sae/2"]
    assert found["score"] == {"rank": 1, "score": 0.9, "random_score": 0.05, "of": 3}
    # Kept, but not among the drawn: only its place in the ranking.
    assert evaluated(directory, "sae", "sae/2") == {
        "interventions": {},
        "score": {"rank": 3, "score": 0.7, "random_score": 0.05, "of": 3},
    }
