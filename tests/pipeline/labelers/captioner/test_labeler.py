"""Captioners of true classes with tiny weights label a run without a network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.config import CaptionerConfig
from pipeline.errors import PipelineError
from pipeline.labelers.captioner import models
from pipeline.labelers.captioner.labeler import ANSWERS
from tests.pipeline.labelers.captioner.tiny import NAMES, save_music_flamingo, save_qwen2_audio
from tests.pipeline.labelers.gemini import many
from tests.pipeline.labelers.gemini.test_service import label, rows_of

SAES = ("layer0-n8-k2", "layer1-n8-k2")


def make(folder: Path, *captioners: Path, features: int = 2) -> None:
    methods = [f"captioner@{one.name}" for one in captioners]
    own = {"models": [str(one) for one in captioners], "max_tokens": 100}
    many.make(folder, features, {}, saes=SAES, labels={"methods": methods}, captioner=own)


@pytest.mark.parametrize("apart", [True, False])
def test_random_weights_run_offline_and_what_they_say_is_no_label(
    tmp_path: Path, apart: bool
) -> None:
    """A model that says nothing readable fails each feature with a reason, and gets no text."""
    if apart:
        made = save_qwen2_audio(tmp_path / "listener", speaks=False)
    else:
        made = save_music_flamingo(tmp_path / "listener")
    make(tmp_path, made)
    label(tmp_path)
    rows = rows_of(tmp_path, "captioner@listener")
    assert [(row.status, row.text) for row in rows] == [("failed", "")] * 2
    assert all(row.reason.startswith(("malformed answer", "truncated answer")) for row in rows)


def test_several_stand_side_by_side_and_nothing_is_asked_twice(tmp_path: Path) -> None:
    one = save_qwen2_audio(tmp_path / "one")
    other = save_music_flamingo(tmp_path / "other")
    make(tmp_path, one, other)
    label(tmp_path)
    _, directory = many.opened(tmp_path)
    answers = directory.path_of(ANSWERS)
    kept = answers.read_text()
    assert len(kept.splitlines()) == 2 * 2 * len(SAES)
    rows = [row for row in rows_of(tmp_path, "captioner@one") if row.feature.endswith("/0")]
    assert [row.text for row in rows] == [*NAMES]
    assert [row.confidence for row in rows] == [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    assert rows[0].provenance.startswith("one, reply ")
    folder = f"labels/{many.SAE}/captioner@one"
    assert directory.read_table(f"{folder}/overall.parquet")["name"].to_pylist() == ["overall"] * 2
    reply = json.loads(directory.path_of(f"{folder}/replies.jsonl").read_text().splitlines()[0])
    assert reply["reply"]["text"].startswith(models.PREFILL)
    # A stage that is made again, or was killed, asks only what it has no answer to.
    answers.write_text("".join(kept.splitlines(keepends=True)[:-1]))
    label(tmp_path)
    assert answers.read_text() == kept


def test_a_model_that_is_not_named_or_of_no_known_family_is_one_line(tmp_path: Path) -> None:
    config = CaptionerConfig(models=("Qwen/Qwen2-Audio-7B-Instruct", str(tmp_path / "mine")))
    assert models.model_of(config, "") == "Qwen/Qwen2-Audio-7B-Instruct"
    assert models.model_of(config, "mine") == str(tmp_path / "mine")
    with pytest.raises(PipelineError, match=r"none called 'other'; it has: .*Qwen2-Audio-7B-Inst"):
        models.model_of(config, "other")
    with pytest.raises(PipelineError, match=r"set \[captioner\] models to folders or hub names"):
        models.model_of(CaptionerConfig(), "")
    made = save_qwen2_audio(tmp_path / "mine")
    described = json.loads((made / "config.json").read_text())
    (made / "config.json").write_text(json.dumps({**described, "model_type": "bert"}))
    with pytest.raises(PipelineError, match="a model of type bert; known: audioflamingo3"):
        models.ready(str(made))
    (made / "model.safetensors").unlink()
    with pytest.raises(PipelineError, match=r"has no \*\.safetensors"):
        models.ready(str(made))
