"""A run whose SAE was trained elsewhere: adopted, measured, resumed, refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.__main__ import main
from pipeline.sae import checkpoint
from pipeline.sae.model import TopKSae
from pipeline.store.run_directory import RunDirectory
from tests.pipeline.test_main import toml_of

NAME = "layer0-n128-k4"
HOOKPOINT = "decoder.layers.0.resid_post"


def save_as_dictionary_learning(sae: TopKSae, folder: Path, *, layer: int = 0) -> Path:
    """The two files that dictionary_learning's `trainSAE` would have written of an SAE."""
    folder.mkdir(parents=True)
    state = {
        "k": torch.tensor(sae.k, dtype=torch.int), "threshold": torch.tensor(-1.0),
        "decoder.weight": sae.W_dec.T.contiguous(), "encoder.weight": sae.W_enc.T.contiguous(),
        "encoder.bias": sae.b_enc, "b_dec": sae.b_dec,
    }  # fmt: skip
    torch.save({name: one.detach().clone() for name, one in state.items()}, folder / "ae.pt")
    trainer = {"dict_class": "AutoEncoderTopK", "k": sae.k, "layer": layer, "lm_name": "tiny"}
    (folder / "config.json").write_text(json.dumps({"trainer": trainer}))
    return folder


@pytest.fixture
def theirs(finished_run: Path, tmp_path: Path) -> Path:
    """The finished run's first SAE, as another library would have saved it."""
    stored = checkpoint.load(RunDirectory(finished_run), NAME)
    return save_as_dictionary_learning(stored.sae, tmp_path / "theirs")


@pytest.fixture
def command(small_config: dict[str, Any], theirs: Path, tmp_path: Path) -> list[str]:
    rest = {name: one for name, one in small_config.items() if name not in ("subject", "sae")}
    (tmp_path / "rest.toml").write_text(toml_of(rest))
    model = str(small_config["subject"]["model"])
    return [
        "adopt", str(theirs), "--subject", model, "--hookpoint", HOOKPOINT,
        "--config", str(tmp_path / "rest.toml"), "--out", str(tmp_path / "run"),
    ]  # fmt: skip


def test_an_adopted_sae_finds_the_features_that_it_found_where_it_was_trained(
    command: list[str], finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--until", "exemplars"]) == 0
    assert f"adopted as {NAME}" in capsys.readouterr().out
    made, before = RunDirectory(tmp_path / "run"), RunDirectory(finished_run)
    ours, theirs = (checkpoint.load(one, NAME) for one in (made, before))
    for name in ("W_enc", "b_enc", "W_dec", "b_dec"):
        assert torch.allclose(getattr(ours.sae, name), getattr(theirs.sae, name), atol=1e-6)
    assert ours.facts.validation_fvu == pytest.approx(theirs.facts.validation_fvu, rel=1e-4)
    # The same activations; the unit is nearly the same, about another centre.
    raw = [
        np.array(one.read_table(f"features/{NAME}.parquet")["max_activation"])
        * stored.facts.activation_scale
        for one, stored in ((made, ours), (before, theirs))
    ]
    np.testing.assert_allclose(raw[0], raw[1], rtol=1e-4, atol=1e-4)
    assert ours.facts.activation_scale == pytest.approx(theirs.facts.activation_scale, rel=0.1)
    cfg = made.read_json(checkpoint.cfg_path(NAME))
    assert cfg["metadata"]["training"]["library"] == "dictionary_learning"
    assert main(["verify", str(tmp_path / "run"), "--sample", "1"]) == 0
    # Again: nothing is left to do. Another checkpoint is another run.
    assert main([*command, "--until", "exemplars"]) == 0
    capsys.readouterr()
    config = json.loads((tmp_path / "theirs" / "config.json").read_text())
    (tmp_path / "theirs" / "config.json").write_text(json.dumps(config | {"buffer": 1}))
    assert main([*command, "--until", "exemplars"]) == 2
    assert "what differs: sae.checkpoint" in capsys.readouterr().err


def test_a_checkpoint_that_does_not_fit_is_refused_before_anything_is_computed(
    command: list[str], finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = checkpoint.load(RunDirectory(finished_run), NAME)
    save_as_dictionary_learning(stored.sae, tmp_path / "elsewhere", layer=1)
    save_as_dictionary_learning(TopKSae(16, 20, 3), tmp_path / "narrow")
    for folder, said in (
        ("elsewhere", f"belongs to layers.1 (decoder.layers.1.resid_post), not to {HOOKPOINT}"),
        ("narrow", "activations of 16 dimensions, but the subject's have 32; was it trained on"),
    ):
        command[1] = str(tmp_path / folder)
        assert main(command) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
        assert not (tmp_path / "run" / "corpus.parquet").exists()
        shutil.rmtree(tmp_path / "run")


def test_a_checkpoint_has_one_hookpoint_and_no_rate_to_choose(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hookpoint = command.index("--hookpoint") + 1
    command[hookpoint] = "paper-small"
    assert main(command) == 2
    assert "[sae] checkpoint is one SAE, for one hookpoint, but" in capsys.readouterr().err
