"""A subject's folder in the other layout: `python -m pipeline convert SUBJECT OUT --to LAYOUT`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.subjects import sources, text
from pipeline.subjects.layouts import build, files

CARRIED = ("tokenizer.json", "tokenizer_config.json", "spiece.model")


def convert(model: str, out: Path, layout: str) -> None:
    """Write the subject `model` (folder or hub name) in another layout to the new folder `out`.

    Raises `PipelineError` if `out` is not empty, if the subject is in that layout already, or if
    the layout cannot represent it.
    """
    folder = sources.folder_of(model)
    if out.exists() and any(out.iterdir()):
        raise PipelineError(f"{out} is not empty; name a new folder")
    is_transformers = sources.is_transformers(folder)
    if is_transformers == (layout == "transformers"):
        raise PipelineError(f"{folder} is already in the layout {layout}")
    if is_transformers:
        _write_audiocraft(folder, out)
    else:
        _write_transformers(folder, out)


def _write_audiocraft(folder: Path, out: Path) -> None:
    from pipeline.subjects.transformers_backend import load

    model = load(folder)
    lm, codec = build.checkpoints_of(model)
    out.mkdir(parents=True, exist_ok=True)
    files.write(out / files.LM_FILE, lm)
    files.write(out / files.CODEC_FILE, codec)
    model.text_encoder.save_pretrained(out / text.FOLDER)
    _carry(folder, out / text.FOLDER)


def _write_transformers(folder: Path, out: Path) -> None:
    from pipeline.subjects.transformers_backend import whole_model

    parts = build.parts_of(build.checkpoints_in(folder))
    if not parts.text_name:
        raise PipelineError(f"{folder} has no T5 text encoder, which transformers' MusicGen needs")
    encoder = text.encoder_of(folder, parts.text_name)
    model: Any = whole_model(parts, encoder)
    model.save_pretrained(out)
    encoder.tokenizer.save_pretrained(out)


def _carry(source: Path, target: Path) -> None:
    for name in CARRIED:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
