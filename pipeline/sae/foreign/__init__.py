"""SAEs that other libraries have trained and saved, for `[sae] checkpoint`.

A checkpoint is a folder, here or in a repository of the model hub. Everything that decides which
latents fire is read and honoured; what is not understood is refused by name, since an encoder that
is nearly right finds other features. Nothing is unpickled.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pipeline.errors import PipelineError
from pipeline.files.hashing import of_files
from pipeline.registry import resolve
from pipeline.sae.foreign.parts import Foreign
from pipeline.sae.foreign.sources import folder_of


class Format(NamedTuple):
    """The files by which a library's checkpoint is recognised, and how it is read."""

    config: str
    weights: str
    reader: str
    """Dotted path of `read(folder) -> Foreign`."""


# To add a format: a module with `read`, a line here, a writer in benchmarks/sae/writer.py whose
# checkpoint the tests then read.
FORMATS: dict[str, Format] = {
    "SAELens": Format(
        "cfg.json", "sae_weights.safetensors", "pipeline.sae.foreign.sae_lens.read"
    ),
    "sparsify": Format("cfg.json", "sae.safetensors", "pipeline.sae.foreign.sparsify.read"),
    "dictionary_learning": Format(
        "config.json", "ae.pt", "pipeline.sae.foreign.dictionary_learning.read"
    ),
}  # fmt: skip
BESIDE = "activation_scaler.json"
"""SAELens' factor for the activations, beside an SAE into which it was not folded."""


def read(checkpoint: str) -> Foreign:
    """The SAE in a folder or hub repository.

    Raises `PipelineError` if it is not found, not of a known format, or does something that is
    not understood.
    """
    folder = folder_of(checkpoint, _files())
    name = _format_of(folder, checkpoint)
    readers = {known: one.reader for known, one in FORMATS.items()}
    try:
        found: Foreign = resolve(readers, name, "format of checkpoints")(folder)
        found.check()
    except PipelineError as error:
        raise PipelineError(f"checkpoint {checkpoint}: {error}") from error
    return found


def fingerprint_of(checkpoint: str) -> str:
    """SHA-256 over the names and contents of a checkpoint's files."""
    folder = folder_of(checkpoint, _files())
    one = FORMATS[_format_of(folder, checkpoint)]
    return of_files(folder, [n for n in (*one[:2], BESIDE) if (folder / n).is_file()])


def _files() -> list[str]:
    return [name for one in FORMATS.values() for name in one[:2]] + [BESIDE]


def _format_of(folder: Path, checkpoint: str) -> str:
    for name, one in FORMATS.items():
        if (folder / one.config).is_file() and (folder / one.weights).is_file():
            return name
    known = "; ".join(f"{one.config} and {one.weights} ({name})" for name, one in FORMATS.items())
    raise PipelineError(f"checkpoint {checkpoint} has none of these pairs of files: {known}")
