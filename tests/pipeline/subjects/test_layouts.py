"""audiocraft's files: what is read, what is refused, and that nothing in them runs."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.errors import PipelineError
from pipeline.subjects.layouts import codec, files, language_model
from pipeline.subjects.layouts.files import Checkpoint

ROOT = Path(__file__).parents[3]
NANO = json.loads((ROOT / "fixtures/nano/musicgen-nano/config.json").read_text(encoding="utf-8"))


def lm_config() -> dict[str, Any]:
    """The nano's language model as audiocraft's training config."""
    return language_model.training_config(NANO["decoder"], 3.0)


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = str(place)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.place,)


def test_a_file_that_would_run_code_is_refused_and_does_not(tmp_path: Path) -> None:
    path = tmp_path / "state_dict.bin"
    torch.save({"best_state": {}, "xp.cfg": Evil(tmp_path / "owned")}, path)
    with pytest.raises(PipelineError, match="holds more than tensors"):
        files.read(path)
    path.write_bytes(pickle.dumps(Evil(tmp_path / "owned")))
    with pytest.raises(PipelineError, match="holds more than tensors"):
        files.read(path)
    assert not (tmp_path / "owned").exists()


def test_a_file_that_only_names_a_codec_says_what_to_do(tmp_path: Path) -> None:
    torch.save({"pretrained": "facebook/encodec_32khz"}, tmp_path / "c.bin")
    with pytest.raises(PipelineError, match="only names the codec 'facebook/encodec_32khz'"):
        files.read(tmp_path / "c.bin")


@pytest.mark.parametrize("content", [{"best_state": {}}, {"best_state": {}, "xp.cfg": "]["}, [1]])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "x.bin")
    with pytest.raises(PipelineError, match="is not an exported audiocraft checkpoint"):
        files.read(tmp_path / "x.bin")


def test_references_of_the_config_are_followed(tmp_path: Path) -> None:
    cfg = {"rate": 32000, "a": {"b": "${rate}", "c": ["${a.b}"]}, "d": "${no.such}"}
    files.write(tmp_path / "x.bin", Checkpoint(cfg, {"w": torch.ones(2)}))
    read = files.read(tmp_path / "x.bin")
    assert read.cfg == {"rate": 32000, "a": {"b": 32000, "c": [32000]}, "d": "${no.such}"}
    assert torch.equal(read.state["w"], torch.ones(2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"transformer_lm": {"positional_embedding": "rope"}}, "positional_embedding 'rope'"),
        ({"transformer_lm": {"bias_ff": True}}, "bias_ff True .*; MusicGen's is False"),
        ({"transformer_lm": {"norm_first": False}}, "norm_first False .*; MusicGen's is True"),
        (
            {"codebooks_pattern": {"modeling": "parallel"}},
            "interleaves its codebooks by 'parallel'",
        ),
        ({"interleave_stereo_codebooks": {"use": True}}, "2 audio channels"),
        ({"conditioners": {"description": {}, "self_wav": {}}}, "conditioned by self_wav"),
    ],
)
def test_a_language_model_of_another_kind_is_refused(change: dict[str, Any], message: str) -> None:
    cfg = lm_config()
    for key, value in change.items():
        cfg[key] = {**cfg.get(key, {}), **value}
    with pytest.raises(PipelineError, match=message):
        language_model.decoder_config(cfg)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"compression_model": "dac"}, "the codec is 'dac'"),
        ({"seanet": {"norm": "none"}}, "the norm 'none'"),
        ({"seanet": {"lstm": 0}}, "no LSTM"),
        ({"rvq": {"bins": 400}}, "400 entries, which is no power of two"),
        ({"seanet": {"decoder": {"n_filters": 8}, "n_filters": 4}}, "decoder differ in n_filters"),
        ({"seanet": {"decoder": {"final_activation": "Tanh"}}}, "final_activation 'Tanh'"),
    ],
)
def test_a_codec_of_another_kind_is_refused(change: dict[str, Any], message: str) -> None:
    cfg = codec.training_config(NANO["audio_encoder"], codebooks=4)
    for key, value in change.items():
        cfg[key] = {**cfg[key], **value} if isinstance(value, dict) else value
    with pytest.raises(PipelineError, match=message):
        codec.codec_config(cfg)
