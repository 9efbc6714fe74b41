"""The steered clips of one feature, in the order in which they are shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import SteeringRecord, table_of
from pipeline.viewing.facts import steered


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
    found = [(row.seed, row.alpha) for row in steered(directory, "sae", "sae/1")]
    assert found == [(0, 1.0), (1, 0.5), (1, 2.0)]
    assert steered(directory, "other", "sae/1") == []
