"""What a model's own JSON may contain, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import EssentiaConfig
from pipeline.errors import PipelineError
from pipeline.labelers.essentia.metadata import ALGORITHMS, heads

INPUTS = [{"name": "in", "shape": [64, 200]}]
HEAD: dict[str, Any] = {
    "inference": {"embedding_model": {"model_name": "e"}},
    "schema": {"inputs": INPUTS, "outputs": [{"name": "out", "output_purpose": "predictions"}]},
    "classes": ["a", "b"],
}
EMBEDDING: dict[str, Any] = {
    "inference": {"algorithm": ALGORITHMS[0], "sample_rate": 16000},
    "schema": {"inputs": INPUTS, "outputs": [{"name": "out", "output_purpose": "embeddings"}]},
}


def read(folder: Path, head: Any, embedding: Any) -> Any:
    for name, facts in {"h": head, "e": embedding}.items():
        (folder / f"{name}.pb").write_bytes(b"")
        (folder / f"{name}.json").write_text(json.dumps(facts))
    return heads(EssentiaConfig(models=folder, heads=("h",)))


def test_a_head_is_read_with_its_embedding(tmp_path: Path) -> None:
    (head,) = read(tmp_path, HEAD, EMBEDDING)
    assert (head.classes, head.width, head.embedding.sample_rate) == (("a", "b"), 200, 16000)


@pytest.mark.parametrize(
    ("head", "embedding"),
    [
        ([], EMBEDDING),
        (None, EMBEDDING),
        (HEAD | {"classes": "rock"}, EMBEDDING),
        (HEAD | {"classes": []}, EMBEDDING),
        (HEAD | {"schema": {"inputs": ["in"], "outputs": ["out"]}}, EMBEDDING),
        (HEAD, EMBEDDING | {"schema": {"inputs": INPUTS, "outputs": ["out"]}}),
        (HEAD, EMBEDDING | {"inference": {"algorithm": ALGORITHMS[0], "sample_rate": "x"}}),
        (HEAD, EMBEDDING | {"inference": {"algorithm": ALGORITHMS[0], "sample_rate": 1e400}}),
        (HEAD, 7),
    ],
)
def test_a_json_of_another_form_is_refused_in_a_line(
    tmp_path: Path, head: Any, embedding: Any
) -> None:
    with pytest.raises(PipelineError, match=r"\.json does not describe a"):
        read(tmp_path, head, embedding)
