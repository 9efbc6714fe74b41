"""audiocraft 1.3.0 on current packages: stand-ins for what it imports and does not need here.

Its own requirements pin torch 2.1, so it is installed without them (`requirements/audiocraft.txt`).
While it is imported, and only then, the modules below stand in for what is not there; afterwards
nobody else sees them. `xformers.ops.unbind` is torch's own; everything else is only named by
parts of audiocraft that are not used here (training, melody conditioning, diffusion decoding).
transformers is imported first: it looks some of these packages up by their specification, which a
stand-in has not.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from pipeline.errors import PipelineError

USED = ("models.lm", "models.encodec", "modules.conditioners",
        "modules.codebooks_patterns", "modules.seanet", "quantization.vq",
        "utils.autocast")  # fmt: skip


@cache
def audiocraft() -> Any:
    """The package `audiocraft`, imported, with its submodules in `USED`.

    Raises `PipelineError` if it is not installed.
    """
    if find_spec("audiocraft") is None:
        raise PipelineError(
            "the subject backend audiocraft is not installed: pip install '.[audiocraft]', then "
            "pip install --no-deps -r requirements/audiocraft.txt"
        )
    # Each model class, so that transformers' lazy look-ups are over before a stand-in is there.
    from transformers import EncodecModel, RobertaTokenizer, T5EncoderModel, T5Tokenizer  # noqa: F401

    with _standing_in(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a package that is no longer maintained
        for name in USED:
            import_module(f"audiocraft.{name}")
    return sys.modules["audiocraft"]


def _modules() -> dict[str, ModuleType]:
    """The stand-ins by name; a package's attributes are its submodules."""
    import torch

    contents: dict[str, dict[str, Any]] = {
        "xformers": {},
        "xformers.ops": {"unbind": torch.unbind},
        "torchaudio": {},
        "spacy": {},
        "librosa": {},
        "librosa.filters": {},
        "audiocraft.solvers": {},
        "audiocraft.solvers.compression": {"CompressionSolver": object},
    }
    made = {}
    for name, attributes in contents.items():
        made[name] = ModuleType(name, "stands in while audiocraft is imported")
        made[name].__dict__.update(attributes)
        parent, _, child = name.rpartition(".")
        if parent in made:
            setattr(made[parent], child, made[name])
    return made


@contextmanager
def _standing_in() -> Iterator[None]:
    """Put in the stand-ins for packages that nobody has imported, and take them out again."""
    modules = {
        name: module
        for name, module in _modules().items()
        if name.partition(".")[0] not in sys.modules
    }
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            sys.modules.pop(name, None)
