"""audiocraft 1.3.0 on current packages: stand-ins for what it imports and does not need here.

Its own requirements pin torch 2.1, so it is installed without them (`requirements/audiocraft.txt`).
While it is imported, the modules below stand in for packages that are missing; afterwards they are
removed again. `xformers.ops.unbind` is torch's own; everything else is only named by parts of
audiocraft that are not used here (training, melody conditioning, diffusion decoding). transformers
is imported first: it looks some of these packages up by their specification, which a stand-in does
not have.
"""

from __future__ import annotations

import sys
import warnings
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from pipeline.errors import PipelineError
from pipeline.stubs import standing_in

USED = ("models.lm", "models.encodec", "modules.conditioners",
        "modules.codebooks_patterns", "modules.seanet", "quantization.vq",
        "utils.autocast")  # fmt: skip


def check_installed() -> None:
    """Raise `PipelineError` if the package is missing."""
    if find_spec("audiocraft") is None:
        raise PipelineError(
            "the subject backend audiocraft is not installed: pip install '.[audiocraft]', then "
            "pip install --no-deps -r requirements/audiocraft.txt"
        )


@cache
def audiocraft() -> Any:
    """The package `audiocraft`, imported, with its submodules in `USED`.

    Raises `PipelineError` if it is not installed.
    """
    check_installed()
    # Each model class, so that transformers' lazy look-ups are over before a stand-in is there.
    from transformers import EncodecModel, RobertaTokenizer, T5EncoderModel, T5Tokenizer  # noqa: F401

    with standing_in(_stubs()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a package that is no longer maintained
        for name in USED:
            import_module(f"audiocraft.{name}")
    return sys.modules["audiocraft"]


def _stubs() -> dict[str, ModuleType]:
    """Stand-ins, by name, for packages that nobody has imported; a package's attributes are its
    submodules."""
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
    return {n: module for n, module in made.items() if n.partition(".")[0] not in sys.modules}
