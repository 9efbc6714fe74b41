"""Weights that lack a tensor, or hold it under another name, are refused before any work."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.clap import transformers_backend as backend
from pipeline.clap.transformers_backend import TransformersClap
from pipeline.config import SubjectConfig, config_from_dict
from pipeline.errors import PipelineError
from pipeline.progress import SilentProgress
from pipeline.run import execute
from pipeline.store.run_directory import RunDirectory
from pipeline.subjects import SUBJECTS, sources
from pipeline.subjects.layouts import files, language_model
from pipeline.subjects.layouts.files import Checkpoint
from pipeline.subjects.text import encoder_of
from pipeline.subjects.transformers_backend import load
from tests.pipeline.clap.tiny_clap import save_tiny_clap

NANO = Path(__file__).parents[3] / "fixtures" / "nano" / "musicgen-nano"
State = dict[str, torch.Tensor]
CHANGES: dict[str, tuple[Callable[[State], State], str]] = {
    "one tensor missing": (
        lambda s: {n: t for n, t in s.items() if n != "decoder.model.decoder.layers.0.fc1.weight"},
        r"lacks the tensor decoder\.model\.decoder\.layers\.0\.fc1\.weight: a weight file",
    ),
    "every name prefixed": (
        lambda s: {f"model.{n}": t for n, t in s.items()}, r"lacks \d+ tensors.*named model\.…",
    ),
    "compiled": (
        lambda s: {n.replace("decoder.", "decoder._orig_mod.", 1): t for n, t in s.items()},
        r"lacks \d+ tensors.*named _orig_mod\.…",
    ),
    "the codec missing": (
        lambda s: {n: t for n, t in s.items() if not n.startswith("audio_encoder.")},
        r"lacks \d+ tensors, such as audio_encoder",
    ),
}  # fmt: skip
LATER: dict[str, tuple[Callable[[State], State], str]] = {
    "a bias of the codec missing": (
        lambda s: {n: t for n, t in s.items() if n != "audio_encoder.encoder.layers.3.conv.bias"},
        r"lacks the tensor audio_encoder\.encoder\.layers\.3\.conv\.bias",
    ),
    "the text encoder missing": (
        lambda s: {n: t for n, t in s.items() if not n.startswith("text_encoder.")},
        r"lacks \d+ tensors, such as text_encoder",
    ),
    "a tensor too many": (
        lambda s: s | {"decoder.model.decoder.layers.0.gate.weight": torch.zeros(2)},
        r"holds the tensor .*gate\.weight, which its model does not have|lacks .*\.gate\.weight",
    ),
}  # fmt: skip


def changed(folder: Path, to: Path, change: Callable[[State], State]) -> Path:
    shutil.copytree(folder, to)
    path = to / "model.safetensors"
    state = {name: tensor.clone() for name, tensor in change(load_file(path)).items()}
    save_file(state, path, metadata={"format": "pt"})
    return to


@pytest.mark.parametrize("name", CHANGES)
def test_a_subject_whose_names_do_not_fit_is_refused_without_loading_it(
    name: str, subject_folder: Path, tmp_path: Path
) -> None:
    change, said = CHANGES[name]
    folder = changed(subject_folder, tmp_path / "subject", change)
    with pytest.raises(PipelineError, match=said) as caught:
        sources.fingerprint_of(SubjectConfig(str(folder), ("decoder.layers.0.resid_post",)))
    assert "\n" not in str(caught.value)


def test_a_codec_or_an_ear_that_lacks_a_tensor_is_refused_before_any_stage(
    small_config: dict[str, Any], subject_folder: Path, tmp_path: Path
) -> None:
    change, said = LATER["a bias of the codec missing"]
    folder = changed(subject_folder, tmp_path / "subject", change)
    subject = {**small_config["subject"], "model": str(folder)}
    config = config_from_dict({**small_config, "subject": subject})
    with pytest.raises(PipelineError, match=said):
        execute(config, tmp_path / "run", progress=SilentProgress())
    assert not RunDirectory(tmp_path / "run").is_done("corpus")
    folder = save_tiny_clap(tmp_path / "clap")
    backend.check(str(folder))
    state = load_file(folder / "model.safetensors")
    state.pop("text_projection.linear1.weight")
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PipelineError, match=r"lacks the tensor text_projection\.linear1\.weight"):
        backend.check(str(folder))


@pytest.mark.parametrize("name", LATER)
def test_a_subject_of_which_a_tensor_would_be_drawn_is_refused(
    name: str, subject_folder: Path, tmp_path: Path
) -> None:
    change, said = LATER[name]
    with pytest.raises(PipelineError, match=said):
        load(sources.folder_of(str(changed(subject_folder, tmp_path / "subject", change))))


def test_older_names_and_computed_tensors_may_be_there(
    subject_folder: Path, tmp_path: Path
) -> None:
    def older(state: State) -> State:
        return {
            name.replace("parametrizations.weight.original0", "weight_g").replace(
                "parametrizations.weight.original1", "weight_v"
            ): tensor
            for name, tensor in state.items()
        } | {"decoder.model.decoder.embed_positions.weights": torch.zeros(8, 8)}

    folder = changed(subject_folder, tmp_path / "subject", older)
    ours = load(sources.folder_of(str(folder))).state_dict()
    theirs = load(subject_folder).state_dict()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


def test_an_adapter_beside_a_model_is_refused(subject_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "subject"
    shutil.copytree(subject_folder, folder)
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(PipelineError, match=r"holds an adapter .* which would be ignored: merge"):
        sources.folder_of(str(folder))


@pytest.mark.parametrize("backend", SUBJECTS)
def test_stereo_is_one_line_in_either_backend(
    backend: str, subject_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "subject"
    shutil.copytree(subject_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    config["decoder"]["audio_channels"] = 2
    (folder / "config.json").write_text(json.dumps(config))
    from pipeline.registry import resolve

    subject = SubjectConfig(str(folder), ("decoder.layers.0.resid_post",), backend=backend)
    with pytest.raises(
        PipelineError, match="the subject has 2 audio channels; only mono is supported"
    ):
        resolve(SUBJECTS, backend, "subject backend")(subject)


def test_a_text_encoder_without_a_tensor_is_refused(tmp_path: Path) -> None:
    from transformers import T5Config, T5EncoderModel

    place = tmp_path / "t5"
    T5EncoderModel(
        T5Config(vocab_size=32, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    ).save_pretrained(place)
    state = load_file(place / "model.safetensors")
    del state["encoder.block.0.layer.0.SelfAttention.q.weight"]
    save_file(state, place / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PipelineError, match=r"text encoder .* lacks the tensor encoder\.block\.0"):
        encoder_of(tmp_path, "t5-base")


def test_a_clap_without_its_ear_is_refused(tmp_path: Path) -> None:
    folder = save_tiny_clap(tmp_path / "clap")
    TransformersClap(str(folder))
    state = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in state.items() if not name.startswith("audio_model.")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PipelineError, match=r"CLAP folder .* lacks \d+ tensors, such as audio"):
        TransformersClap(str(folder))


def test_names_of_torch_compile_are_read_in_audiocrafts_files(tmp_path: Path) -> None:
    files.write(tmp_path / "x.bin", Checkpoint({}, {"_orig_mod.emb.0.weight": torch.ones(2)}))
    assert list(files.read(tmp_path / "x.bin").state) == ["emb.0.weight"]
    with pytest.raises(PipelineError, match="has no counterpart in transformers"):
        language_model.to_transformers({"transformer.layers.weight": torch.ones(2)})


def test_text_that_is_prepended_is_refused() -> None:
    nano = json.loads((NANO / "config.json").read_text(encoding="utf-8"))
    cfg = language_model.training_config(nano["decoder"], 3.0) | {
        "fuser": {"prepend": ["description"], "cross": []}
    }
    with pytest.raises(PipelineError, match="takes description by the fuser's prepend; only text"):
        language_model.decoder_config(cfg)
