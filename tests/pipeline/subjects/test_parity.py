"""The same weights in both backends give the same codes, stream and music."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.parity import LIMIT, NANO, compare
from pipeline.config import SubjectConfig
from pipeline.errors import PipelineError
from pipeline.subjects.audiocraft_backend import AudiocraftSubject
from pipeline.subjects.base import Sampling
from pipeline.subjects.convert import convert
from pipeline.subjects.layouts import files
from pipeline.subjects.transformers_backend import TransformersSubject

POINT = ("decoder.layers.1.resid_post",)


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The nano subject as audiocraft's files."""
    out = tmp_path_factory.mktemp("converted") / "nano"
    convert(str(NANO), out, "audiocraft")
    return out


def test_the_nano_weights_agree_at_every_layer(converted: Path) -> None:
    rows = list(compare(NANO, converted, seconds=1.0))
    assert rows[0].difference == 0
    assert max(row.difference for row in rows) <= LIMIT
    assert len(rows) == 2 + TransformersSubject(SubjectConfig(str(NANO), POINT)).facts.n_blocks


def test_one_folder_has_one_fingerprint_in_both(converted: Path) -> None:
    config = SubjectConfig(model=str(converted), hookpoints=POINT)
    assert AudiocraftSubject(config).facts == TransformersSubject(config).facts


def test_there_and_back_gives_the_same_tensors(converted: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    back = tmp_path / "back"
    convert(str(converted), back, "transformers")
    before = load_file(NANO / "model.safetensors")
    after = load_file(back / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("prompt", ["", "a slow piano"])
@pytest.mark.parametrize("layout", ["transformers", "audiocraft"])
def test_both_draw_the_same_codes_and_the_same_sound(
    speaking_folder: Path, tmp_path: Path, layout: str, prompt: str
) -> None:
    folder = speaking_folder
    if layout == "audiocraft":
        folder = tmp_path / "converted"
        convert(str(speaking_folder), folder, layout)
    config = SubjectConfig(model=str(folder), hookpoints=POINT)
    made = [
        backend(config).generate(prompt, 0.4, seed=3, sampling=Sampling(top_k=50))
        for backend in (TransformersSubject, AudiocraftSubject)
    ]
    assert made[0].codes.shape == (4, 20)
    assert torch.equal(made[0].codes, made[1].codes)
    torch.testing.assert_close(made[0].audio, made[1].audio, atol=1e-4, rtol=0)


def test_a_published_checkpoints_config_is_understood(converted: Path, tmp_path: Path) -> None:
    """With the keys, the references and the half precision that facebook's exports have."""
    lm, codec = files.read(converted / files.LM_FILE), files.read(converted / files.CODEC_FILE)
    lm.cfg["transformer_lm"] |= {
        "emb_lr": None, "past_context": None, "custom": False, "memory_efficient": True,
        "attention_as_float32": False, "layer_scale": None, "xpos": False,
        "checkpointing": "torch", "weight_init": "gaussian", "depthwise_init": "current",
        "zero_bias_init": True, "cross_attention": False, "qk_layer_norm": False,
        "attention_dropout": None, "kv_repeat": 1, "two_step_cfg": False, "q_modeling": None,
    }  # fmt: skip
    lm.cfg["conditioners"]["args"] = {"merge_text_conditions_p": 0.25, "drop_desc_p": 0.5}
    codec.cfg.update(sample_rate=codec.cfg["encodec"]["sample_rate"], channels=1)
    codec.cfg["encodec"] |= {"sample_rate": "${sample_rate}", "channels": "${channels}"}
    codec.cfg["seanet"] |= {
        "channels": "${channels}", "causal": "${encodec.causal}", "activation": "ELU",
        "activation_params": {"alpha": 1.0}, "norm_params": {}, "disable_norm_outer_blocks": 0,
        "decoder": {"trim_right_ratio": 1.0, "final_activation": None,
                    "final_activation_params": None},
    }  # fmt: skip
    codec.cfg["rvq"] |= {
        "decay": 0.99, "kmeans_init": True, "kmeans_iters": 50, "threshold_ema_dead_code": 2,
        "orthogonal_reg_weight": 0.0, "orthogonal_reg_active_codes_only": False,
    }  # fmt: skip
    halves = {name: tensor.half() for name, tensor in lm.state.items()}
    files.write(tmp_path / files.LM_FILE, files.Checkpoint(lm.cfg, halves))
    files.write(tmp_path / files.CODEC_FILE, codec)
    rows = list(compare(tmp_path, tmp_path, seconds=0.5))
    assert rows[0].difference == 0
    assert max(row.difference for row in rows) <= LIMIT


def test_half_precision_comes_close_in_audiocraft_too(converted: Path) -> None:
    config = SubjectConfig(model=str(converted), hookpoints=POINT)
    codes = torch.randint(0, 100, (1, 4, 30), generator=torch.Generator().manual_seed(0))
    full = AudiocraftSubject(config).activations(codes, POINT)[POINT[0]]
    half = AudiocraftSubject(replace(config, precision="bfloat16")).activations(codes, POINT)
    assert (half[POINT[0]] - full).norm() / full.norm() < 0.1


def test_a_folder_that_is_not_empty_is_not_written_to(converted: Path) -> None:
    with pytest.raises(PipelineError, match="is not empty"):
        convert(str(NANO), converted, "audiocraft")


def test_a_text_encoder_as_wide_as_the_decoder_goes_there_and_back(
    speaking_folder: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file
    from transformers import MusicgenForConditionalGeneration, T5Config, T5EncoderModel

    model = MusicgenForConditionalGeneration.from_pretrained(speaking_folder)
    text = T5EncoderModel(T5Config(vocab_size=32, d_model=32, d_kv=4, d_ff=16, num_layers=1))
    wide = MusicgenForConditionalGeneration(
        text_encoder=text, audio_encoder=model.audio_encoder, decoder=model.decoder
    )
    assert not hasattr(wide, "enc_to_dec_proj")
    wide.save_pretrained(tmp_path / "wide")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "wide" / name).write_bytes((speaking_folder / name).read_bytes())
    convert(str(tmp_path / "wide"), tmp_path / "there", "audiocraft")
    convert(str(tmp_path / "there"), tmp_path / "back", "transformers")
    before = load_file(tmp_path / "wide" / "model.safetensors")
    after = load_file(tmp_path / "back" / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
