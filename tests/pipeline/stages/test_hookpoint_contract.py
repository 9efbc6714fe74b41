"""An SAE is refused on activations of another hookpoint or subject, naming both."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import config_from_dict
from pipeline.errors import PipelineError
from pipeline.progress import SilentProgress
from pipeline.run import execute
from pipeline.store.activations import ShardFacts
from pipeline.store.run_directory import RunDirectory
from tests.pipeline.tensors import safetensors_bytes

SHARD = "activations/decoder.layers.0.resid_post/00000.safetensors"


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"hookpoint": "decoder.layers.1.resid_post"},
         "belongs to hookpoint decoder.layers.0.resid_post and cannot read activations of "
         "decoder.layers.1.resid_post"),
        ({"subject_fingerprint": "f00"}, "and cannot read activations of f00"),
        ({"delay_mapping": "frame=step"},
         "belongs to delay_mapping frame=step-1 and cannot read activations of frame=step"),
    ],
)  # fmt: skip
def test_an_sae_is_refused_on_activations_that_are_not_its_own(
    run_copy: Path, small_config: dict[str, Any], changed: dict[str, str], line: str
) -> None:
    directory = RunDirectory(run_copy)
    tensors, metadata = directory.read_tensors(SHARD)
    facts = replace(ShardFacts.from_metadata(metadata), **changed)
    (run_copy / SHARD).write_bytes(safetensors_bytes(tensors, facts.to_metadata()))
    manifest = directory.manifest()
    for stage in ("features", "exemplars"):
        del manifest["stages"][stage]
    (run_copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(PipelineError) as caught:
        execute(config_from_dict(small_config), run_copy, progress=SilentProgress())
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_papers_hookpoints_have_names() -> None:
    subject = {"model": "x", "hookpoints": ["paper-large"]}
    config = config_from_dict({"subject": subject})
    assert [name.split(".")[2] for name in config.subject.hookpoints] == [
        "2", "12", "24", "36", "46",
    ]  # fmt: skip
    spelt_out = {"model": "x", "hookpoints": list(config.subject.hookpoints)}
    assert config_from_dict({"subject": spelt_out}) == config
