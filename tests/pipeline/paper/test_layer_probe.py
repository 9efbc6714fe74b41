"""The layer probe: what it tells, its folds, its variants, and what it says where it cannot."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from pipeline.paper.layer_probe import (
    AS_IT_IS,
    BY_FEATURE,
    COPIES_TOGETHER,
    SORTED,
    UNIT,
    copies,
    folds_of,
    probe,
)
from pipeline.paper.profiles import Profiles, profiles
from pipeline.paper.sweep import join
from pipeline.store.run_directory import RunDirectory
from tests.pipeline.paper.factory import LAYERS


def made(values: np.ndarray, layers: list[str]) -> Profiles:
    tracks = tuple(f"t{number}" for number in range(values.shape[1]))
    return Profiles("m", tracks, values.astype(np.float32), np.asarray(layers))


def apart() -> Profiles:
    """Two layers whose features are active in different halves of the tracks."""
    values = np.random.default_rng(0).exponential(size=(80, 20))
    values[:40, :10] += 3
    values[40:, 10:] += 3
    return made(values, ["1"] * 40 + ["4"] * 40)


def test_where_a_feature_is_active_tells_its_layer_and_permuted_layers_do_not() -> None:
    found = probe(apart(), AS_IT_IS, BY_FEATURE, permutations=4)
    assert found.accuracy == found.balanced
    assert found.accuracy is not None
    assert found.accuracy > 0.9
    assert found.majority == 0.5
    assert found.permuted == pytest.approx(0.5, abs=0.15)
    assert found.p_value == 1 / 5
    # Sorted, nothing is left of where: the two layers are equally strong.
    assert probe(apart(), SORTED, BY_FEATURE, permutations=0).accuracy == pytest.approx(
        0.5, abs=0.2
    )


def test_profiles_are_means_over_test_tracks_of_kept_features(runs: list[Path]) -> None:
    sweep = join(runs)
    model = sweep.models[1]
    found = profiles(model, sweep.of(model))
    directory = RunDirectory(runs[1])
    test = [f"t{number:03d}" for number in range(100) if number % 5 > 2]
    assert found.tracks == tuple(test)
    slow, layers = [], []
    for sae in sweep.of(model):
        tensors, metadata = directory.read_tensors(f"features/{sae.name}.activations.safetensors")
        stored = json.loads(metadata["tracks"])
        for row in directory.read_table(f"features/{sae.name}.parquet").to_pylist():
            if row["kept"]:
                slow.append([tensors["mean"][stored.index(t), row["index"]] for t in test])
                layers.append(sae.layer)
    np.testing.assert_array_equal(found.values, np.asarray(slow))
    assert found.layers.tolist() == layers
    assert set(layers) == {str(layer) for layer in LAYERS}


def test_the_reported_accuracy_is_that_of_a_perceptron_in_five_folds(
    runs: list[Path], report: Path
) -> None:
    sweep = join(runs)
    own = profiles(sweep.models[0], sweep.of(sweep.models[0]))
    unit = own.values / np.sqrt((own.values.astype(float) ** 2).sum(axis=1))[:, None]
    right, shares = np.zeros(len(unit), dtype=bool), []
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    for train, test in folds.split(unit, own.layers):
        scaled = StandardScaler().fit(unit[train])
        model = MLPClassifier(
            (64,), early_stopping=True, n_iter_no_change=5, max_iter=100, random_state=0
        ).fit(scaled.transform(unit[train]), own.layers[train])
        right[test] = model.predict(scaled.transform(unit[test])) == own.layers[test]
        shares.append(right[test].mean())
    with (report / "tables" / "layer_probe.csv").open(encoding="utf-8", newline="") as stream:
        row = next(r for r in csv.DictReader(stream) if r["profile"] == UNIT)
    assert row["model"] == sweep.models[0]
    assert float(row["accuracy"]) == pytest.approx(np.mean(shares))
    assert float(row["deviation"]) == pytest.approx(np.std(shares, ddof=1))
    each = [right[own.layers == layer].mean() for layer in set(own.layers)]
    assert float(row["balanced"]) == pytest.approx(np.mean(each))
    assert (int(row["features"]), int(row["tracks"])) == unit.shape


@pytest.mark.parametrize("together", [False, True])
def test_every_feature_is_held_out_once_and_near_copies_share_a_fold(together: bool) -> None:
    values = np.random.default_rng(0).exponential(size=(80, 40)).astype(np.float32)
    group = copies(np.concatenate([values, values * 2]))
    assert group.tolist() == [*range(80), *range(80)]
    labels = np.asarray(["1"] * 40 + ["4"] * 40 + ["1"] * 40 + ["4"] * 40)
    held_out = []
    for train, test in folds_of(labels, group if together else np.arange(160), 0):
        held_out += test.tolist()
        assert set(train) & set(test) == set()
        assert np.mean(labels[test] == "1") == pytest.approx(0.5, abs=0.1)
        assert not together or not set(group[train]) & set(group[test])
    assert sorted(held_out) == list(range(160))


def test_what_cannot_be_estimated_is_said() -> None:
    few = made(np.ones((25, 5)), ["1"] * 20 + ["4"] * 5)
    found = probe(few, AS_IT_IS, BY_FEATURE, permutations=1)
    assert found.accuracy is None
    assert found.left_out == ("4",)
    assert "fewer than two layers have 10 kept features" in found.reason
    same = made(np.ones((40, 5)), ["1"] * 20 + ["4"] * 20)
    found = probe(same, AS_IT_IS, COPIES_TOGETHER, permutations=1)
    assert "near copies" in found.reason
