"""laion-clap 1.1.7 on current packages: its model classes, without what its import requires.

`import laion_clap` loads three tokenizers from a hub, adds a folder with general names (`training`,
`evaluate`) to the path, and needs torchvision, h5py and wandb. Here only the modules that define
the model are imported, with stand-ins for their parents and for two libraries that the model never
calls. Its requirements pin numpy below 2, so it is installed without them
(`requirements/laion-clap.txt`).
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from math import isqrt
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.errors import PipelineError
from pipeline.stubs import standing_in

NEEDED = ("laion_clap", "torchlibrosa")
SPECTROGRAM = 256
"""Side of the square that HTSAT folds a spectrogram into; the package has no other."""
HEAD_WIDTH = 64
"""Width of RoBERTa's attention heads, which the shapes of the weights do not determine."""


def check_installed() -> None:
    """Raise `PipelineError` if a package is missing."""
    for name in NEEDED:
        if find_spec(name) is None:
            raise PipelineError(
                f"the CLAP backend laion-clap needs the package {name}: "
                "pip install --no-deps -r requirements/laion-clap.txt"
            )


@cache
def model_module() -> Any:
    """`laion_clap.clap_module.model`; raises `PipelineError` if it is not installed."""
    check_installed()
    # transformers' lazy look-ups must be over before a stand-in, which has no specification, is in.
    from transformers import BartModel, BertModel, RobertaModel  # noqa: F401

    with standing_in(_stubs()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of a package that is no longer maintained.
        return import_module("laion_clap.clap_module.model")


def build(weights: Mapping[str, Any]) -> Any:
    """A model with the sizes of `weights`, which are not loaded yet.

    `weights`: tensors of a checkpoint without fusion, names without `module.`.
    """
    from transformers import RobertaModel

    module = model_module()
    htsat = sys.modules[module.create_htsat_model.__module__]
    plan = settings()
    audio = plan["audio_cfg"]
    # 1) Sizes from the weights: melW is [bin, mel band], and a window has 2 (bins − 1) samples.
    shape = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    bins, audio["mel_bins"] = shape["audio_branch.logmel_extractor.melW"]
    audio["window_size"] = 2 * (bins - 1)
    audio["class_num"] = shape["audio_branch.head.weight"][0]
    sizes = _htsat_sizes(shape)

    def made(config: Any, _fusion: bool, _kind: str) -> Any:
        return htsat.HTSAT_Swin_Transformer(
            spec_size=SPECTROGRAM, num_classes=config.class_num, config=config, **sizes
        )

    class LocalRoberta:
        """Builds RoBERTa where the package would fetch it from a hub."""

        @staticmethod
        def from_pretrained(_name: str) -> Any:
            return RobertaModel(_roberta_config(shape))

    # 2) The package's own class, with these sizes in place of its defaults.
    joint, width = shape["audio_projection.0.weight"]
    plan["text_cfg"]["model_type"] = "roberta"
    with named(module, create_htsat_model=made, RobertaModel=LocalRoberta):
        return module.CLAP(
            embed_dim=width, audio_cfg=audio, text_cfg=plan["text_cfg"], joint_embed_shape=joint
        )


def _htsat_sizes(shape: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Arguments of the audio encoder."""
    layers = _count(shape, "audio_branch.layers.")
    depths = [_count(shape, f"audio_branch.layers.{layer}.blocks.") for layer in range(layers)]
    first = "audio_branch.layers.{}.blocks.0."
    table = [
        shape[first.format(layer) + "attn.relative_position_bias_table"] for layer in range(layers)
    ]
    # patch_embed.proj is [width, 1, patch, patch]; a window of w has (2 w − 1)² relative positions.
    width, _, *patch = shape["audio_branch.patch_embed.proj.weight"]
    hidden = shape[first.format(0) + "mlp.fc1.weight"][0]
    return {
        "embed_dim": width,
        "patch_size": patch[0],
        "patch_stride": tuple(patch),
        "depths": depths,
        "num_heads": [heads for _, heads in table],
        "window_size": (isqrt(table[0][0]) + 1) // 2,
        "mlp_ratio": hidden / width,
    }


def _roberta_config(shape: Mapping[str, tuple[int, ...]]) -> Any:
    """The config of `roberta-base` with the sizes of the weights."""
    from transformers import RobertaConfig

    part = "text_branch.embeddings."
    vocabulary, width = shape[f"{part}word_embeddings.weight"]
    return RobertaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=_count(shape, "text_branch.encoder.layer."),
        num_attention_heads=width // HEAD_WIDTH,
        intermediate_size=shape["text_branch.encoder.layer.0.intermediate.dense.weight"][0],
        max_position_embeddings=shape[f"{part}position_embeddings.weight"][0],
        type_vocab_size=shape[f"{part}token_type_embeddings.weight"][0],
        layer_norm_eps=1e-5,
        pad_token_id=1,
    )


def _count(names: Mapping[str, Any], prefix: str) -> int:
    """The number of numbered parts under a prefix."""
    return len({name[len(prefix) :].split(".")[0] for name in names if name.startswith(prefix)})


def settings() -> dict[str, Any]:
    """The package's own settings of the model for music; `build` overwrites what weights
    determine."""
    path = folder() / "clap_module" / "model_configs" / "HTSAT-base.json"
    settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return settings


def folder() -> Path:
    found = find_spec("laion_clap")
    if found is None or found.origin is None:
        raise PipelineError("the package laion_clap has no files here")
    return Path(found.origin).parent


def _stubs() -> dict[str, ModuleType]:
    """Stand-ins, by name: parent packages that run no code, and two libraries, if nobody has
    imported them, that the model names and never calls."""
    made = {}
    for name, inner in (("laion_clap", ""), ("laion_clap.clap_module", "clap_module")):
        made[name] = ModuleType(name, "stands in for a package whose import fetches from a hub")
        made[name].__path__ = [str(folder() / inner)]
    for name in ("torchvision", "torchvision.ops", "torchvision.ops.misc", "h5py"):
        if name.partition(".")[0] not in sys.modules:
            made[name] = ModuleType(name, "stands in while laion_clap is imported")
    if "torchvision.ops.misc" in made:
        made["torchvision.ops.misc"].__dict__["FrozenBatchNorm2d"] = object
    return made


@contextmanager
def named(module: Any, **names: Any) -> Iterator[None]:
    """Within this context some of a module's names have other values, and its warnings are off."""
    before = {name: getattr(module, name) for name in names}
    module.__dict__.update(names)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        module.__dict__.update(before)
