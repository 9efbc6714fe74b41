"""laion-clap: a checkpoint in its own format, held against the package and against transformers."""

from __future__ import annotations

import ast
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.clap import backends, laion_modules
from pipeline.clap.laion_backend import LaionClap, filled
from pipeline.clap.transformers_backend import TransformersClap
from pipeline.config import ClapConfig
from pipeline.errors import PipelineError
from tests.pipeline.clap.tiny_laion import CHECKPOINT, save_as_transformers, save_tiny_laion

SAMPLES = 480_000
TEXTS = ["steady beat", "Glocken, hell", "x"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_laion(tmp_path_factory.mktemp("laion"))


@pytest.fixture(scope="module")
def model(folder: Path) -> LaionClap:
    return LaionClap(str(folder), batch=2)


def sounds() -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(SAMPLES) / 48_000)
    noise = [1.2 * generator.normal(size=100_000), 0.1 * generator.normal(size=300)]
    return [sound.astype(np.float32) for sound in (tone, *noise)]


def the_packages_own(name: str) -> Any:
    """A function of `laion_clap.training.data`, which cannot be imported without a hub."""
    import torch

    source = (laion_modules.folder() / "training" / "data.py").read_text()
    wanted = ("get_audio_features", "int16_to_float32", "float32_to_int16")
    body = [
        part for part in ast.parse(source).body
        if isinstance(part, ast.FunctionDef) and part.name in wanted
    ]  # fmt: skip
    found: dict[str, Any] = {"np": np, "torch": torch, "F": torch.nn.functional}
    exec(compile(ast.Module(body, []), "data.py", "exec"), found)
    return found[name]


def test_a_sound_is_prepared_as_the_package_prepares_it() -> None:
    import torch

    coarse, whole = the_packages_own("float32_to_int16"), the_packages_own("int16_to_float32")
    for sound in sounds():
        given = torch.from_numpy(whole(coarse(sound))).float()
        made = the_packages_own("get_audio_features")(
            {}, given, SAMPLES, "rand_trunc", "repeatpad", {}
        )
        np.testing.assert_array_equal(filled(sound, SAMPLES), made["waveform"].numpy())


def test_transformers_gives_the_same_embeddings_for_the_same_weights(
    model: LaionClap, tmp_path: Path
) -> None:
    other = TransformersClap(str(save_as_transformers(tmp_path)))
    coarse = [filled(sound, SAMPLES) for sound in sounds()]
    ours = model.embed_sounds(sounds())
    np.testing.assert_allclose(ours, other.embed_sounds(coarse), atol=5e-5)
    np.testing.assert_allclose(model.embed_texts(TEXTS), other.embed_texts(TEXTS), atol=1e-5)
    assert np.abs(ours - ours[0]).max() > 0.1
    # Different scores all the same: transformers hears a pure tone without the 16 bits' noise.
    assert np.abs(ours - other.embed_sounds(sounds())).max() > 1e-3


def test_embeddings_are_of_norm_1_the_same_twice_and_the_same_alone(model: LaionClap) -> None:
    heard, read = model.embed_sounds(sounds()), model.embed_texts(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(np.concatenate([heard, read]), axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(heard, model.embed_sounds(sounds()))
    np.testing.assert_array_equal(read, model.embed_texts(TEXTS))
    alone = np.concatenate([model.embed_sounds([sound]) for sound in sounds()])
    np.testing.assert_allclose(heard, alone, atol=1e-6)
    np.testing.assert_allclose(read[2:], model.embed_texts(TEXTS[2:]), atol=1e-6)


def test_rate_and_window_are_the_packages(model: LaionClap) -> None:
    assert (model.sample_rate, model.window_seconds) == (48_000, 10.0)


def test_no_connection_is_opened_and_nothing_is_left_standing_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    laion_modules.model_module.cache_clear()
    for name in [name for name in sys.modules if name.startswith("laion_clap")]:
        monkeypatch.delitem(sys.modules, name)
    LaionClap(str(folder)).embed_texts(["a text"])
    assert not {"laion_clap", "torchvision", "h5py", "clap_module", "training"} & set(sys.modules)


def test_the_backends_have_different_fingerprints(folder: Path, tmp_path: Path) -> None:
    other = save_tiny_laion(tmp_path, seed=1)
    configs = [ClapConfig(model=str(path), backend="laion-clap") for path in (folder, other)]
    prints = [backends.fingerprint(config) for config in configs]
    assert len(set(prints)) == 2
    assert all(one.startswith("laion-clap:") for one in prints)
    assert isinstance(backends.load(configs[0]), LaionClap)


def test_a_checkpoint_may_be_named_itself(folder: Path) -> None:
    by_folder, by_file = LaionClap(str(folder)), LaionClap(str(folder / CHECKPOINT))
    np.testing.assert_array_equal(by_folder.embed_texts(["a"]), by_file.embed_texts(["a"]))


def test_what_is_missing_is_named_with_where_it_is_from(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"0 checkpoints .*huggingface\.co/lukewys/laion_clap"):
        LaionClap(str(tmp_path))
    shutil.copy(folder / CHECKPOINT, tmp_path)
    with pytest.raises(PipelineError, match=r"no tokenizer\.json: .*FacebookAI/roberta-base"):
        LaionClap.fingerprint_of(str(tmp_path))


def test_another_models_tokenizer_is_refused(folder: Path, tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models

    shutil.copy(folder / CHECKPOINT, tmp_path)
    Tokenizer(models.WordLevel({"<pad>": 0, "<unk>": 1}, "<unk>")).save(
        str(tmp_path / "tokenizer.json")
    )
    with pytest.raises(PipelineError, match="has 2 tokens and the model 261: it is another"):
        LaionClap(str(tmp_path))


def test_a_checkpoint_with_fusion_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"without fusion: .*mel_conv2d"):
        LaionClap(str(save_tiny_laion(tmp_path, fusion=True)))


class Harm:
    """What a hostile file would run."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (Path.touch, (self.mark,))


def test_a_file_that_would_run_code_is_not_loaded(folder: Path, tmp_path: Path) -> None:
    import torch

    shutil.copy(folder / "tokenizer.json", tmp_path)
    mark = tmp_path / "ran"
    torch.save({"state_dict": {"a": Harm(mark)}}, tmp_path / CHECKPOINT)
    with pytest.raises(PipelineError, match=r"was not read: .*more than tensors and plain values"):
        LaionClap(str(tmp_path))
    assert not mark.exists()
