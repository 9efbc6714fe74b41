"""Which SAEs a run trains, and that they do not depend on each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.config import config_from_dict
from pipeline.progress import SilentProgress
from pipeline.run import execute
from pipeline.sae import checkpoint
from pipeline.sae.model import ThresholdSae
from pipeline.sae.specs import feature_key, seed_of, specs
from pipeline.store.records import records_from
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import TrainingRecord


def test_an_saes_name_says_block_site_size_and_k() -> None:
    config = config_from_dict(
        {
            "subject": {
                "model": "a/b",
                "hookpoints": ["decoder.layers.2.resid_post", "decoder.layers.2.resid_pre"],
            },
            "sae": {"expansions": [4, 8], "ks": [16]},
        }
    )
    assert [spec.name for spec in specs(config, 192)] == [
        "layer2-n768-k16", "layer2-n1536-k16", "layer2pre-n768-k16", "layer2pre-n1536-k16",
    ]  # fmt: skip
    assert feature_key("layer2-n768-k16", 7) == "layer2-n768-k16/7"


def test_each_sae_has_a_seed_of_its_own() -> None:
    assert len({seed_of(seed, name) for seed in (0, 1) for name in ("a", "b")}) == 4


def test_the_history_is_stored_beside_the_weights(finished_run: Path) -> None:
    directory = RunDirectory(finished_run)
    for name in directory.sae_names():
        table = directory.read_table(f"sae/{name}/training.parquet")
        rows = records_from(TrainingRecord, table)
        assert rows[-1].step == 60
        assert rows[-1].batch_variance_explained > rows[0].batch_variance_explained
        stored = checkpoint.load(directory, name)
        assert stored.facts.last_batch_variance_explained == rows[-1].batch_variance_explained


@pytest.mark.parametrize("workers", [1, 3])
def test_more_saes_or_workers_leave_the_others_as_they_were(
    workers: int, small_config: dict[str, Any], finished_run: Path, tmp_path: Path
) -> None:
    more = {
        **small_config,
        "sae": {**small_config["sae"], "ks": [4, 8]},
        "machine": {**small_config["machine"], "workers": workers},
    }
    directory = execute(
        config_from_dict(more), tmp_path / "run", progress=SilentProgress(), until="sae"
    )
    ours = directory.manifest()["stages"]["sae"]["files"]
    theirs = RunDirectory(finished_run).manifest()["stages"]["sae"]["files"]
    assert len(directory.sae_names()) == 4
    assert {name: ours[name] for name in theirs} == theirs


def test_a_killed_stage_keeps_finished_saes_and_ends_with_the_same_bytes(
    small_config: dict[str, Any], finished_run: Path, tmp_path: Path
) -> None:
    """Killed in the second of two SAEs, at step 25 of 60; snapshots are taken every 10 steps."""

    class Kill(SilentProgress):
        done = 0
        resumed = 0

        def advance(self, n: int = 1) -> None:
            Kill.done += n
            Kill.resumed = max(Kill.resumed, n)
            if Kill.done == 60 + 25:
                raise KeyboardInterrupt

    run = tmp_path / "run"
    config = config_from_dict({**small_config, "machine": {"workers": 1, "snapshot_steps": 10}})
    execute(config, run, progress=SilentProgress(), until="activations")
    with pytest.raises(KeyboardInterrupt):
        execute(config, run, progress=Kill(), until="sae")
    assert (run / ".unfinished").is_dir()
    Kill.done = -1000
    directory = execute(config, run, progress=Kill(), until="sae")
    assert Kill.resumed == 60  # the first SAE is not trained again
    assert Kill.done == -1000 + 120
    ours = directory.manifest()["stages"]["sae"]["files"]
    assert ours == RunDirectory(finished_run).manifest()["stages"]["sae"]["files"]
    assert not (run / ".unfinished").exists()


def test_saes_with_thresholds_go_through_the_later_stages(
    small_config: dict[str, Any], tmp_path: Path
) -> None:
    changed = {"variant": "batch-topk", "prefixes": [0.5], "together": True, "ks": [4, 8]}
    config = config_from_dict({**small_config, "sae": {**small_config["sae"], **changed}})
    directory = execute(config, tmp_path / "run", progress=SilentProgress(), until="exemplars")
    assert len(directory.sae_names()) == 4
    for name in directory.sae_names():
        stored = checkpoint.load(directory, name)
        assert isinstance(stored.sae, ThresholdSae)
        assert stored.facts.validation_l0 == pytest.approx(stored.sae.k, rel=0.2)
        rows = directory.read_table(f"features/{name}.parquet").to_pylist()
        assert any(row["kept"] for row in rows)
        assert directory.read_table(f"exemplars/{name}.parquet").num_rows > 0
    cfg = directory.read_json(checkpoint.cfg_path(directory.sae_names()[0]))
    assert cfg["metadata"]["training"]["prefixes"] == [0.5]
    counted, dead = (
        cfg["metadata"]["validation_densities"],
        cfg["metadata"]["validation_dead_share"],
    )
    assert sum(counted) == pytest.approx((1 - dead) * cfg["d_sae"])
