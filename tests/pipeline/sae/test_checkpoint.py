"""Stored SAEs read raw activations, belong to one place, and have SAELens' layout."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.errors import PipelineError
from pipeline.sae import checkpoint
from pipeline.sae.checkpoint import SaeFacts, refuse_mismatch
from pipeline.sae.model import TopKSae
from pipeline.sae.variants import with_threshold
from pipeline.store.run_directory import RunDirectory

FACTS = SaeFacts(
    hookpoint="decoder.layers.0.resid_post", subject_fingerprint="s", delay_mapping="d",
    frame_rate=50.0, first_frame=3, activation_scale=4.0, validation_fvu=0.1,
    last_batch_variance_explained=0.9, validation_l0=3.0, validation_dead_share=0.25,
)  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "run")
    directory.begin({})
    return directory


def random_sae() -> TopKSae:
    generator = torch.Generator().manual_seed(0)
    sae = TopKSae(6, 20, 3)
    sae.initialise(generator, torch.randn(6, generator=generator))
    with torch.no_grad():
        sae.b_enc.normal_(generator=generator)
    return sae


def test_a_stored_sae_does_on_raw_activations_what_it_did_on_normalised_ones(
    directory: RunDirectory,
) -> None:
    sae = random_sae()
    with directory.writer("sae") as writer:
        checkpoint.save(writer, "x", sae, FACTS)
    stored = checkpoint.load(directory, "x")
    raw = torch.randn(40, 6, generator=torch.Generator().manual_seed(1)) * 4.0
    normalised, restored = sae.encode(raw / 4.0), stored.sae.encode(raw)
    torch.testing.assert_close(restored.dense(20), 4.0 * normalised.dense(20))
    torch.testing.assert_close(stored.sae.decode(restored), 4.0 * sae.decode(normalised))
    assert stored.facts == FACTS


def sae_lens_topk(folder: Path, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """SAELens 6's TopKSAE (sae_lens/saes/topk_sae.py) on the two files, in its own words."""
    cfg = json.loads((folder / "cfg.json").read_text())
    w = load_file(folder / "sae_weights.safetensors")
    sae_in = x - w["b_dec"] * cfg["apply_b_dec_to_input"]
    hidden_pre = sae_in @ w["W_enc"] + w["b_enc"]
    values, indices = torch.topk(hidden_pre, k=cfg["k"], dim=-1, sorted=False)
    acts = torch.zeros_like(hidden_pre).scatter(-1, indices, values.relu())
    return acts, acts @ w["W_dec"] + w["b_dec"]


def test_sae_lens_reads_the_files_as_we_do(finished_run: Path) -> None:
    name = "layer0-n128-k4"
    stored = checkpoint.load(RunDirectory(finished_run), name)
    x = torch.randn(30, 32, generator=torch.Generator().manual_seed(2))
    acts, restored = sae_lens_topk(finished_run / "sae" / name, x)
    latents = stored.sae.encode(x)
    torch.testing.assert_close(latents.dense(128), acts)
    torch.testing.assert_close(stored.sae.decode(latents), restored)
    torch.testing.assert_close(stored.sae.W_dec.norm(dim=1), torch.ones(128))


def test_the_configuration_has_what_sae_lens_asks_for(finished_run: Path) -> None:
    cfg = json.loads((finished_run / "sae" / "layer0-n128-k4" / "cfg.json").read_text())
    metadata = cfg.pop("metadata")
    assert cfg == {
        "architecture": "topk", "d_in": 32, "d_sae": 128, "k": 4, "dtype": "float32",
        "device": "cpu", "apply_b_dec_to_input": True, "normalize_activations": "none",
        "reshape_activations": "none", "rescale_acts_by_decoder_norm": False,
    }  # fmt: skip
    assert metadata["hook_name"] == "decoder.layers.0.resid_post"
    # Without a version of 6 or later SAELens would rewrite the configuration as an old one.
    assert metadata["sae_lens_version"] == "6.0.0"


@pytest.mark.parametrize("key", ["subject_fingerprint", "hookpoint", "delay_mapping"])
def test_an_sae_is_refused_where_it_does_not_belong_naming_both(key: str) -> None:
    with pytest.raises(PipelineError) as caught:
        refuse_mismatch("x", FACTS, **{key: "elsewhere"})
    assert str(getattr(FACTS, key)) in str(caught.value)
    assert "elsewhere" in str(caught.value)


def test_an_sae_of_another_architecture_is_refused(directory: RunDirectory) -> None:
    with directory.writer("sae") as writer:
        writer.write_json("sae/x/cfg.json", {"architecture": "gated"})
    with pytest.raises(PipelineError, match="architecture 'gated'; known: topk, jumprelu"):
        checkpoint.load(directory, "x")


@pytest.mark.parametrize("key", ["W_enc", "b_enc", "W_dec", "b_dec"])
def test_an_sae_that_lacks_a_tensor_or_has_one_of_another_shape_is_refused(
    directory: RunDirectory, key: str
) -> None:
    with directory.writer("sae") as writer:
        checkpoint.save(writer, "x", random_sae(), FACTS)
    path = directory.path_of("sae/x/sae_weights.safetensors")
    whole = load_file(path)
    for state, said in (
        ({name: tensor for name, tensor in whole.items() if name != key}, "missing"),
        (whole | {key: torch.zeros(1)}, r"\(1,\)"),
    ):
        save_file(state, path)
        with pytest.raises(PipelineError, match=f"SAE x: {key} is {said}, its cfg.json has"):
            checkpoint.load(directory, "x")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"d_in": None}, "d_in in its cfg.json is None; it must be a whole number from 1"),
        ({"d_sae": "x"}, "d_sae in its cfg.json is 'x'; it must be a whole number from 1"),
        ({"k": 0}, "k in its cfg.json is 0; it must be a whole number from 1"),
        ({"k": 21}, "its k is 21, more than its 20 latents"),
        ({"metadata": [1]}, "its cfg.json has no metadata that Earwitness wrote"),
        ({"metadata": {}}, "hookpoint in its cfg.json is None"),
    ],
)
def test_a_damaged_configuration_is_refused_in_a_line(
    directory: RunDirectory, change: dict[str, Any], said: str
) -> None:
    with directory.writer("sae") as writer:
        checkpoint.save(writer, "x", random_sae(), FACTS)
    path = directory.path_of("sae/x/cfg.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(PipelineError, match=f"^SAE x: {re.escape(said)}$"):
        checkpoint.load(directory, "x")
    path.write_text("7")
    with pytest.raises(PipelineError, match=r"^SAE x: its cfg\.json holds no JSON object$"):
        checkpoint.load(directory, "x")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda held: held["W_enc"].fill_(float("nan")), "W_enc holds numbers that are not finite"),
        (lambda held: held["b_dec"].fill_(float("inf")), "b_dec holds numbers that are not finite"),
        (lambda held: held.update(W_dec=held["W_dec"].bfloat16()), "W_dec is of type BF16"),
    ],
)
def test_weights_that_are_no_plain_numbers_are_refused_in_a_line(
    directory: RunDirectory, change: Callable[[dict[str, torch.Tensor]], Any], said: str
) -> None:
    with directory.writer("sae") as writer:
        checkpoint.save(writer, "x", random_sae(), FACTS)
    path = directory.path_of("sae/x/sae_weights.safetensors")
    held = load_file(path)
    change(held)
    save_file(held, path)
    with pytest.raises(PipelineError, match=said):
        checkpoint.load(directory, "x")


def sae_lens_jumprelu(folder: Path, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """SAELens 6's JumpReLUSAE (sae_lens/saes/jumprelu_sae.py) on the two files."""
    cfg = json.loads((folder / "cfg.json").read_text())
    w = load_file(folder / "sae_weights.safetensors")
    hidden_pre = (x - w["b_dec"] * cfg["apply_b_dec_to_input"]) @ w["W_enc"] + w["b_enc"]
    acts = hidden_pre.relu() * (hidden_pre > w["threshold"])
    return acts, acts @ w["W_dec"] + w["b_dec"]


def test_an_sae_with_thresholds_is_stored_as_jumprelu_in_raw_units(directory: RunDirectory) -> None:
    thresholds = torch.rand(20, generator=torch.Generator().manual_seed(3))
    sae = with_threshold(random_sae(), thresholds).requires_grad_(False)
    with directory.writer("sae") as writer:
        checkpoint.save(writer, "x", sae, FACTS, {"variant": "batch-topk"})
    cfg = json.loads(directory.path_of("sae/x/cfg.json").read_text())
    assert (cfg["architecture"], "k" in cfg) == ("jumprelu", False)
    assert cfg["metadata"]["training"] == {"variant": "batch-topk"}
    stored = checkpoint.load(directory, "x")
    raw = torch.randn(40, 6, generator=torch.Generator().manual_seed(1)) * 4.0
    acts, restored = sae_lens_jumprelu(directory.path_of("sae/x"), raw)
    latents = stored.sae.encode(raw)
    torch.testing.assert_close(latents.dense(20), acts)
    torch.testing.assert_close(acts, 4.0 * sae.encode(raw / 4.0).dense(20))
    torch.testing.assert_close(stored.sae.decode(latents), restored)
    assert (stored.sae.k, stored.facts) == (3, FACTS)
