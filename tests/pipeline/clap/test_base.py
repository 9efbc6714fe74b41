"""Fixed crops, embeddings that are the same twice, folders that lack something."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.clap import backends
from pipeline.clap.base import crop_starts, crops, embed_whole, whole
from pipeline.clap.store import _embedded
from pipeline.clap.transformers_backend import TransformersClap, check
from pipeline.config import ClapConfig
from pipeline.errors import PipelineError
from pipeline.parallel import map_in_threads
from tests.pipeline.clap.tiny_clap import RATE
from tests.pipeline.labelers.factory import Outside


def test_crops_reach_from_the_start_to_the_end_and_leave_nothing_out() -> None:
    assert crop_starts(7.0, 10.0) == [0.0]
    assert crop_starts(10.0, 10.0) == [0.0]
    assert crop_starts(25.0, 10.0) == [0.0, 7.5, 15.0]


def test_a_long_sound_is_the_mean_of_its_crops_and_the_same_twice(outside: Outside) -> None:
    model = TransformersClap(str(outside.clap))
    sound = np.random.default_rng(0).normal(scale=0.1, size=5 * RATE).astype(np.float32)
    embedded = embed_whole(sound, model)
    starts = [round(start * RATE) for start in crop_starts(5.0, 2.0)]
    parts = model.embed_sounds([sound[start : start + 2 * RATE] for start in starts])
    mean = parts.mean(axis=0)
    np.testing.assert_allclose(embedded, mean / np.linalg.norm(mean), atol=1e-6)
    np.testing.assert_array_equal(embedded, embed_whole(sound, model))


def test_sounds_embedded_in_threads_are_embedded_as_one_by_one(outside: Outside) -> None:
    model = TransformersClap(str(outside.clap))
    random = np.random.default_rng(0)
    sounds = [random.normal(scale=0.1, size=3 * RATE).astype(np.float32) for _ in range(6)]
    one_by_one = [embed_whole(sound, model) for sound in sounds]
    in_threads = map_in_threads(partial(embed_whole, clap=model), sounds, 3)
    np.testing.assert_array_equal(one_by_one, list(in_threads))


def test_tracks_embedded_together_are_embedded_as_one_by_one(outside: Outside) -> None:
    """As on a GPU, where several tracks' crops are one batch; on a CPU each track is by itself."""
    model = TransformersClap(str(outside.clap))
    random = np.random.default_rng(0)
    sounds = [random.normal(scale=0.1, size=n * RATE).astype(np.float32) for n in (3, 1, 5)]
    together = _embedded(model, [crops(sound, model) for sound in sounds])
    assert [len(part) for part in together] == [2, 1, 3]
    one_by_one = [embed_whole(sound, model) for sound in sounds]
    np.testing.assert_allclose([whole(part) for part in together], one_by_one, atol=1e-6)


def test_another_model_has_another_fingerprint(outside: Outside, tmp_path: Path) -> None:
    from tests.pipeline.clap.tiny_clap import save_tiny_clap

    other = save_tiny_clap(tmp_path / "other", seed=1)
    prints = {backends.fingerprint(ClapConfig(model=str(path))) for path in (outside.clap, other)}
    assert len(prints) == 2
    assert all(one.startswith("transformers:") for one in prints)


def test_a_folder_that_lacks_its_tokenizer_is_refused(outside: Outside, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(outside.clap, tmp_path / "copy"))
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(PipelineError, match=r"has no tokenizer_config\.json"):
        TransformersClap(str(folder))


@pytest.mark.parametrize(
    ("config", "wrong"),
    [
        ("{broken", r"config\.json"),
        ("[]", "of type None, not clap"),
        ({"model_type": "musicgen"}, "of type musicgen, not clap"),
        (
            {"text_config": {"hidden_size": "wide"}},
            "no model can be built.*hidden_size",
        ),
        (
            {"text_config": {"hidden_size": 7}},
            "no model can be built.*multiple",
        ),
    ],
)
def test_a_folder_of_another_kind_is_refused_in_one_line(
    outside: Outside, tmp_path: Path, config: str | dict[str, Any], wrong: str
) -> None:
    folder = Path(shutil.copytree(outside.clap, tmp_path / "copy"))
    if isinstance(config, dict):
        there = json.loads((folder / "config.json").read_text())
        for key, value in config.items():
            there[key] = there[key] | value if isinstance(value, dict) else value
        config = json.dumps(there)
    (folder / "config.json").write_text(config)
    with pytest.raises(PipelineError, match=wrong) as refused:
        check(str(folder))
    assert "\n" not in str(refused.value)


def test_no_model_at_all_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EARWITNESS_CLAP_MODEL", raising=False)
    with pytest.raises(PipelineError, match="EARWITNESS_CLAP_MODEL"):
        backends.fingerprint(ClapConfig())
