"""A run that does not store activations: the same SAEs and features, from one reading."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config import RunConfig, config_from_dict
from pipeline.errors import PipelineError
from pipeline.pieces import make
from pipeline.progress import SilentProgress
from pipeline.run import execute, prepare
from pipeline.sae import checkpoint
from pipeline.sae.frames import TrackReader
from pipeline.stages.features import OfSaes
from pipeline.store.activations import read_shards
from pipeline.store.run_directory import RunDirectory
from pipeline.subjects import extraction
from pipeline.subjects.online import OnlineShards
from pipeline.verify import verify


@pytest.fixture(scope="module")
def config(small_config: dict[str, Any]) -> RunConfig:
    """Two hookpoints with two SAEs each, trained together."""
    sae = {**small_config["sae"], "together": True, "ks": [4, 8]}
    return config_from_dict({**small_config, "sae": sae})


@pytest.fixture(scope="module")
def stored(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    out = tmp_path_factory.mktemp("stored") / "run"
    return execute(config, out, progress=SilentProgress(), until="features")


def online(config: RunConfig, **machine: Any) -> RunConfig:
    return replace(config, machine=replace(config.machine, online=True, **machine))


def test_it_gives_the_files_of_a_run_that_stores_them_and_reads_each_track_once(
    config: RunConfig, stored: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: Counter[str] = Counter()

    def reading(track: Any, *rest: Any) -> Any:
        read[track.track] += 1
        return original(track, *rest)

    original = extraction._read
    monkeypatch.setattr(extraction, "_read", reading)
    directory = execute(
        online(config), tmp_path / "run", progress=SilentProgress(), until="features"
    )
    ours, theirs = directory.manifest()["stages"], stored.manifest()["stages"]
    assert list(ours["activations"]["files"]) == ["activations/shards.json"]
    for stage in ("sae", "features"):
        assert ours[stage]["files"] == theirs[stage]["files"]
    assert (len(read), set(read.values())) == (48, {1})
    assert directory.description("key")["key"] == stored.description("key")["key"]
    assert verify(directory.path, progress=SilentProgress()) == []
    with pytest.raises(PipelineError, match=r"are not stored: continue the run with --online"):
        next(read_shards(RunDirectory(directory.path), config.subject.hookpoints[0]))
    # Later stages read what the stage `features` has stored.
    execute(config, tmp_path / "run", progress=SilentProgress(), until="exemplars")


def test_saes_that_are_encoded_together_have_the_files_of_those_encoded_alone(
    config: RunConfig, stored: RunDirectory, tmp_path: Path
) -> None:
    directory = RunDirectory(shutil.copytree(stored.path, tmp_path / "copy"))
    before = directory.digest("features")
    alone = OfSaes(replace(config, sae=replace(config.sae, together=False)), directory)
    assert (len(OfSaes(config, directory).sizes()), len(alone.sizes())) == (2, 4)
    make(alone, directory, progress=SilentProgress())
    assert directory.digest("features") == before


def test_shards_that_do_not_fit_into_memory_are_computed_again(
    config: RunConfig, stored: RunDirectory, tmp_path: Path
) -> None:
    execute(online(config), tmp_path / "run", progress=SilentProgress(), until="activations")
    directory = prepare(online(config), tmp_path / "run")
    assert isinstance(directory.computed, OnlineShards)
    directory.computed._limit = 1
    for hookpoint in config.subject.hookpoints:
        pairs = zip(read_shards(directory, hookpoint), read_shards(stored, hookpoint), strict=True)
        for (facts, array), (their_facts, theirs) in pairs:
            assert facts == their_facts
            np.testing.assert_array_equal(array, theirs)
    assert len(directory.computed._kept) == 1


def test_tracks_that_are_read_in_the_order_of_files_compute_each_shard_once(
    config: RunConfig, stored: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `localisation` reads them; in the order of the corpus the two shards alternate."""
    execute(online(config), tmp_path / "run", progress=SilentProgress(), until="activations")
    directory = prepare(online(config), tmp_path / "run")
    assert isinstance(directory.computed, OnlineShards)
    directory.computed._limit = 1
    computed: list[str] = []

    def counting(shard: str) -> Any:
        computed.append(shard)
        return original(shard)

    original = directory.computed._computed
    monkeypatch.setattr(directory.computed, "_computed", counting)
    reader = TrackReader(directory, checkpoint.load(stored, stored.sae_names()[0]))
    for track in reader.in_file_order(f"t{number:03d}" for number in range(0, 48, 3)):
        reader.read(track)
    assert len(computed) == 2


def test_saes_trained_one_by_one_need_stored_activations(config: RunConfig, tmp_path: Path) -> None:
    alone = replace(config, sae=replace(config.sae, together=False))
    with pytest.raises(PipelineError, match=r"needs \[sae\] together = true"):
        execute(online(alone), tmp_path / "run", progress=SilentProgress())
    assert not (tmp_path / "run").exists()
