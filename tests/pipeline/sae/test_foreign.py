"""SAEs that SAELens, sparsify and dictionary_learning saved: the same latents, or a refusal.

The checkpoints in `foreign/` were written by these libraries (`benchmarks/sae/writer.py`), with
their own latents of some frames beside them; `python -m benchmarks.sae.adoption` makes them again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.errors import PipelineError
from pipeline.sae import checkpoint, foreign
from pipeline.sae.adopted import Adopted, sae_of
from pipeline.sae.foreign.parts import hookpoint_of, refuse_another_hook
from pipeline.store.run_directory import RunDirectory
from tests.pipeline.sae.test_checkpoint import FACTS

FOLDER = Path(__file__).with_name("foreign").resolve()
CHECKPOINTS = sorted(one.name for one in FOLDER.iterdir())


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "run")
    directory.begin({})
    return directory


def test_every_library_and_architecture_is_there() -> None:
    assert {name.partition("-")[0] for name in CHECKPOINTS} == {
        "saelens", "sparsify", "dictionary_learning"
    }  # fmt: skip
    for kind in ("topk", "batchtopk", "jumprelu", "standard"):
        assert {f"saelens-{kind}", f"dictionary_learning-{kind}"} <= set(CHECKPOINTS)


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_an_adopted_sae_has_the_latents_that_its_library_gives(
    name: str, directory: RunDirectory
) -> None:
    found = foreign.read(str(FOLDER / name))
    expected = load_file(FOLDER / name / "expected.safetensors")
    # Our unit: what a latent adds to the reconstruction, so each times its direction's norm; some
    # libraries multiply by that themselves.
    theirs = expected["latents"] * (1.0 if found.norms_first else found.W_dec.norm(dim=1))
    sae = sae_of(found)
    with directory.writer("sae") as writer:
        checkpoint.save(writer, "x", sae, FACTS, raw=True)
    for one in (sae, checkpoint.load(directory, "x").sae):
        ours = one.encode(expected["x"]).dense(sae.n_latents)
        assert ((ours > 0) == (theirs > 0)).all()
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(one.W_dec.norm(dim=1), torch.ones(sae.n_latents))


@pytest.mark.parametrize("name", ["saelens-topk", "saelens-jumprelu", "sparsify-topk"])
def test_an_sae_without_its_decoder_encodes_and_its_directions_are_read_again(
    name: str, directory: RunDirectory
) -> None:
    with directory.writer("sae") as writer:
        checkpoint.save(writer, "x", sae_of(foreign.read(str(FOLDER / name))), FACTS, raw=True)
    whole, half = checkpoint.load(directory, "x"), checkpoint.load(directory, "x")
    half.sae.release_decoder()
    x = load_file(FOLDER / name / "expected.safetensors")["x"]
    assert all(map(torch.equal, half.sae.encode(x), whole.sae.encode(x)))
    for latents in ([5, 2], []):
        found = checkpoint.directions(directory, half, latents)
        assert torch.equal(torch.from_numpy(found), whole.sae.W_dec[latents])


@pytest.mark.parametrize("name", ["saelens-topk", "saelens-topk-rescaled", "sparsify-topk"])
def test_an_adopted_sae_reconstructs_as_its_library_does(name: str) -> None:
    found = foreign.read(str(FOLDER / name))
    expected = load_file(FOLDER / name / "expected.safetensors")
    theirs = expected["latents"] / (found.W_dec.norm(dim=1) if found.norms_first else 1.0)
    sae, x = sae_of(found), expected["x"]
    restored = sae.in_units_of(x, sae.decode(sae.encode(x)))
    torch.testing.assert_close(restored, theirs @ found.W_dec + found.b_dec, atol=1e-4, rtol=1e-4)


def test_frames_that_an_sae_normalises_are_restored_in_their_own_units() -> None:
    found = foreign.read(str(FOLDER / "saelens-topk-layer-norm"))
    expected = load_file(FOLDER / "saelens-topk-layer-norm" / "expected.safetensors")
    sae, x = sae_of(found), expected["x"]
    assert isinstance(sae, Adopted)
    theirs = expected["latents"] @ found.W_dec + found.b_dec
    theirs = theirs * x.std(dim=1, keepdim=True) + x.mean(dim=1, keepdim=True)
    restored = sae.in_units_of(x, sae.decode(sae.encode(x)))
    torch.testing.assert_close(restored, theirs, atol=1e-3, rtol=1e-3)


def cfg_with(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = next(folder.glob("c*.json"))
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def trainer_with(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        trainer = json.loads(path.read_text())["trainer"] | changes
        path.write_text(json.dumps({"trainer": trainer}))

    return change


def tensors_with(**changes: torch.Tensor | None) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = next(one for one in folder.glob("sae*.safetensors"))
        held = load_file(path) | changes
        save_file({name: one for name, one in held.items() if one is not None}, path)

    return change


class Odd:
    """Something that only unpickling code could bring back."""


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (
            "saelens-topk",
            cfg_with(architecture="gated"),
            "its architecture is 'gated'; known: topk",
        ),
        ("saelens-topk", cfg_with(k=0), "its k is 0; it must be from 1 to its 24 latents"),
        ("saelens-topk", cfg_with(k=25), "its k is 25; it must be from 1 to its 24 latents"),
        ("saelens-topk", cfg_with(noise=0.1), "cfg.json sets noise = 0.1, which Earwitness does"),
        ("saelens-topk", cfg_with(reshape_activations="hook_z"), "it reads attention heads"),
        (
            "saelens-topk",
            cfg_with(normalize_activations="covariance_whitening"),
            "its normalize_activations is 'covariance_whitening'; known: none, layer_norm",
        ),
        (
            "saelens-topk",
            cfg_with(normalize_activations="expected_average_only_in"),
            "its factor is neither folded in nor in activation_scaler.json",
        ),
        ("saelens-topk", tensors_with(b_enc=None), "lacks the tensor b_enc"),
        ("saelens-topk", tensors_with(r_mag=torch.ones(24)), "holds the tensor r_mag, which"),
        ("saelens-topk", tensors_with(b_dec=torch.ones(7)), "b_dec is (7,); beside a decoder"),
        ("saelens-topk", tensors_with(b_enc=torch.full((24,), torch.nan)), "b_enc holds numbers"),
        ("saelens-topk", tensors_with(W_dec=torch.ones(24)), "W_dec has 1 dimensions, not 2"),
        ("sparsify-topk", cfg_with(k="3"), "its k is 3; it must be from 1"),
        ("dictionary_learning-topk", trainer_with(dict_class=["x"]), "its dict_class is ['x']"),
        ("saelens-jumprelu", tensors_with(threshold=None), "lacks the tensor threshold"),
        (
            "saelens-topk",
            lambda folder: (folder / "sae_weights.safetensors").write_bytes(b"no"),
            "sae_weights.safetensors is not a safetensors file",
        ),
        ("sparsify-topk", cfg_with(activation="groupmax"), "its activation is 'groupmax'; known:"),
        ("sparsify-topk", cfg_with(transcode=True), "it is a transcoder (transcode)"),
        ("sparsify-topk", cfg_with(signed=True), "cfg.json sets signed = True, which"),
        (
            "dictionary_learning-topk",
            trainer_with(dict_class="GatedAutoEncoder"),
            "its dict_class is 'GatedAutoEncoder'; known: AutoEncoderTopK",
        ),
        ("dictionary_learning-topk", trainer_with(k=4), "its k is 4 in config.json and 3 in ae.pt"),
        (
            "dictionary_learning-topk",
            lambda folder: torch.save({"k": Odd()}, folder / "ae.pt"),
            "ae.pt holds more than plain tensors, or is damaged",
        ),
        (
            "dictionary_learning-topk",
            lambda folder: torch.save({"k": {"of": 1}}, folder / "ae.pt"),
            "ae.pt is not a dictionary of tensors",
        ),
    ],
)
def test_what_is_not_understood_is_refused_by_name_in_a_line(
    name: str, change: Callable[[Path], Any], said: str, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(FOLDER / name, tmp_path / name))
    change(folder)
    with pytest.raises(PipelineError) as refused:
        foreign.read(str(folder))
    assert said in str(refused.value)
    assert str(refused.value).startswith(f"checkpoint {folder}: ")
    assert "\n" not in str(refused.value)


def test_a_factor_beside_the_weights_is_folded_in(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FOLDER / "saelens-jumprelu", tmp_path / "x"))
    cfg_with(normalize_activations="expected_average_only_in")(folder)
    (folder / "activation_scaler.json").write_text('{"scaling_factor": 0.5}')
    plain = foreign.read(str(FOLDER / "saelens-jumprelu"))
    x = load_file(folder / "expected.safetensors")["x"]
    ours = sae_of(foreign.read(str(folder))).encode(2 * x).dense(24)
    torch.testing.assert_close(ours, 2 * sae_of(plain).encode(x).dense(24), atol=1e-5, rtol=1e-5)


def test_a_configuration_from_before_version_6_is_read(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FOLDER / "saelens-topk", tmp_path / "x"))
    old = {
        "architecture": "standard", "d_in": 8, "d_sae": 24, "activation_fn_str": "topk",
        "activation_fn_kwargs": {"k": 3}, "hook_name": "blocks.1.hook_resid_post",
        "normalize_activations": False, "apply_b_dec_to_input": True, "lr": 0.001,
    }  # fmt: skip
    (folder / "cfg.json").write_text(json.dumps(old))
    found = foreign.read(str(folder))
    assert (found.architecture, found.k, found.hook) == ("topk", 3, "blocks.1.hook_resid_post")
    cfg_with(finetuning_scaling_factor=True)(folder)
    with pytest.raises(PipelineError, match="finetuning_scaling_factor"):
        foreign.read(str(folder))


@pytest.mark.parametrize(
    ("hook", "hookpoint"),
    [
        ("decoder.layers.3.resid_pre", "decoder.layers.3.resid_pre"),
        ("blocks.3.hook_resid_post", "decoder.layers.3.resid_post"),
        ("decoder.model.decoder.layers.3", "decoder.layers.3.resid_post"),
        ("layers.3", "decoder.layers.3.resid_post"),
        ("resid_post_layer_3", "decoder.layers.3.resid_post"),
        ("layers.3.mlp", None),
        ("blocks.3.attn.hook_z", None),
    ],
)
def test_what_other_libraries_call_a_hookpoint(hook: str, hookpoint: str | None) -> None:
    assert hookpoint_of(hook) == hookpoint


def test_a_checkpoint_of_another_hookpoint_is_refused_and_an_odd_name_may_be_confirmed() -> None:
    ours = "decoder.layers.1.resid_post"
    refuse_another_hook(None, ours, "")
    refuse_another_hook("layers.1", ours, "")
    with pytest.raises(PipelineError, match=r"belongs to layers\.2 \(decoder\.layers\.2\.resid_po"):
        refuse_another_hook("layers.2", ours, "layers.1")
    with pytest.raises(PipelineError, match=r"say so with --hook 'the_middle'"):
        refuse_another_hook("the_middle", ours, "")
    refuse_another_hook("the_middle", ours, "the_middle")


def test_a_folder_without_a_known_pair_of_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"none of these pairs of files: cfg\.json and sae_wei"):
        foreign.read(str(tmp_path))
    with pytest.raises(PipelineError, match="is not a folder on this machine"):
        foreign.read(str(tmp_path / "none"))
    with pytest.raises(PipelineError, match="OWNER/NAME or OWNER/NAME/FOLDER"):
        foreign.read("nowhere")
    with pytest.raises(PipelineError, match="could not be fetched from the model hub"):
        foreign.read("some/where/layers.3")
