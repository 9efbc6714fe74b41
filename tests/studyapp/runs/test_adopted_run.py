"""From an SAE that another library saved to an open study, with two commands and no edit."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from django.core.management import call_command

from pipeline.__main__ import main
from pipeline.sae.model import TopKSae
from studyapp.models import Study
from tests.pipeline.conftest import corpus_folder, small_config, subject_folder  # noqa: F401
from tests.pipeline.stages.test_adoption import HOOKPOINT, save_as_dictionary_learning
from tests.pipeline.test_main import toml_of

pytestmark = pytest.mark.django_db


def test_an_adopted_sae_becomes_an_open_study(
    small_config: dict[str, Any],  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    sae = TopKSae(32, 128, 4)
    sae.initialise(torch.Generator().manual_seed(0), torch.zeros(32))
    theirs = save_as_dictionary_learning(sae, tmp_path / "theirs")
    config = {
        "corpus": small_config["corpus"],
        "features": {"threshold": 0.0, "min_rate": 0.0, "max_rate": 1.0, "min_tracks": 3},
        "labels": {"methods": ["descriptors"]},
        "scores": {"min_tracks": 1},
        "machine": {"workers": 1},
    }
    (tmp_path / "rest.toml").write_text(toml_of(config))
    model = str(small_config["subject"]["model"])
    arguments = ["--subject", model, "--hookpoint", HOOKPOINT, "--out", str(tmp_path / "run")]
    assert main(["adopt", str(theirs), *arguments, "--config", str(tmp_path / "rest.toml")]) == 0
    call_command("import_run", str(tmp_path / "run"), "--name", "adopted", stdout=StringIO())
    call_command(
        "create_study", "adopted", "--slug", "heard", "--features", "3", "--trials", "2", "--open",
        stdout=StringIO(), stderr=StringIO(),
    )  # fmt: skip
    assert Study.objects.get(slug="heard").state == Study.State.OPEN
