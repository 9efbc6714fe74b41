"""Reads a config from a TOML file or a plain dict.

An unknown key or section is refused with the list of the known ones. Relative paths in a TOML file
are relative to the file's folder.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from pipeline.config.run_config import RunConfig
from pipeline.errors import PipelineError
from pipeline.files.text import read_text

Section = TypeVar("Section")


METHOD_PATHS = (
    ("essentia", "models"), ("gemini", "prompt"), ("gemini", "ledger"),
    ("audio_chat", "prompt"), ("audio_chat", "ledger"), ("captioner", "prompt"),
    ("free_text", "responses"), ("ensemble", "responses"),
)  # fmt: skip
"""Further paths, by section and key, that are relative to the config's folder."""


TYPE_WORDS: dict[type, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text in quotes",
    Path: "a path in quotes",
}
"""How an error describes the type of a value."""


LARGEST = 2**63 - 1
"""Largest whole number allowed in a config: what a database column and a torch seed can hold."""


def load_config(path: Path, given: Mapping[str, Mapping[str, Any]] | None = None) -> RunConfig:
    """The config in the TOML file at `path`; `given`, by section, takes precedence.

    Raises `PipelineError` if the file is missing, is not TOML, or has an unknown section or key.
    """
    path = Path(path)
    raw = raw_config(path)
    if "sweep" in raw:
        raise PipelineError(
            f"config {path} has [sweep]: only `python -m pipeline run` makes several runs of one "
            "config"
        )
    for section, values in (given or {}).items():
        own = raw.get(section, {})
        raw[section] = {**own, **values} if isinstance(own, dict) else own
    return config_of_file(raw, path)


def raw_config(path: Path) -> dict[str, Any]:
    """The sections of the TOML file at `path`, unchecked; raises `PipelineError` if it is none."""
    try:
        return tomllib.loads(read_text(path))
    except PipelineError as error:
        raise PipelineError(f"config {error}") from error
    except (ValueError, RecursionError) as error:
        raise PipelineError(f"config {path} is not TOML: {error}") from error


def config_of_file(raw: Mapping[str, Any], path: Path) -> RunConfig:
    """The config in the sections of the file at `path`, which errors name."""
    try:
        return config_from_dict(raw, base=path.resolve().parent)
    except PipelineError as error:
        raise PipelineError(f"config {path}: {error}") from error


def config_from_dict(mapping: Mapping[str, Any], *, base: Path | None = None) -> RunConfig:
    """The config in a plain dict of sections.

    Relative paths are resolved against `base` (default: the current folder). Raises `PipelineError`
    on an unknown section or key, a wrong type, a value out of range, or an impossible path.
    """
    try:
        return _config_from(mapping, (base or Path.cwd()).resolve())
    except (ValueError, OSError, OverflowError, RuntimeError) as error:
        # Such as ~nobody, a name that is too long, a number too large for a float, or tables nested
        # too deeply.
        raise PipelineError(f"the config cannot be used: {error}") from error


def _config_from(mapping: Mapping[str, Any], base: Path) -> RunConfig:
    hints = get_type_hints(RunConfig)
    _refuse_unknown(mapping, tuple(hints), "section")
    if "subject" not in mapping:
        raise PipelineError("section [subject] is missing: it gives the model and its hookpoints")
    sections: dict[str, Any] = {}
    for name, cls in hints.items():
        if name in mapping:
            sections[name] = _section(name, cls, mapping[name])
    return _with_absolute_paths(RunConfig(**sections), base)


def _section(name: str, cls: type[Section], values: Any) -> Section:
    """One section's dataclass from the file's values, after checking their types."""
    if not isinstance(values, Mapping):
        raise PipelineError(f"[{name}] must be a section with keys, but is {values!r}")
    hints = get_type_hints(cls)
    known = tuple(f.name for f in fields(cast(Any, cls)))
    _refuse_unknown(values, known, "key", f"[{name}] ")
    missing = [key for key in getattr(cls, "REQUIRED", ()) if key not in values]
    if missing:
        raise PipelineError(f"[{name}] lacks {', '.join(missing)}")
    converted = {
        key: _convert(value, hints[key], f"[{name}] {key}") for key, value in values.items()
    }
    return cls(**converted)


def _refuse_unknown(
    values: Mapping[str, Any], known: tuple[str, ...], kind: str, where: str = ""
) -> None:
    unknown = [name for name in values if name not in known]
    if unknown:
        raise PipelineError(
            f"{where}unknown {kind} {', '.join(map(repr, unknown))}; known: {', '.join(known)}"
        )


def _convert(value: Any, hint: Any, where: str) -> Any:
    """`value` converted to the type `hint`; raises `PipelineError` if it has another type."""
    if get_origin(hint) in (Union, UnionType):
        if value is None:
            return None
        (hint,) = [option for option in get_args(hint) if option is not type(None)]
    if get_origin(hint) is tuple:
        if not isinstance(value, list | tuple):
            raise PipelineError(f"{where} must be a list, not {value!r}")
        return tuple(_convert(entry, get_args(hint)[0], where) for entry in value)
    _refuse_unstorable(value, where)
    if hint is Path and isinstance(value, str | Path):
        return Path(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise PipelineError(f"{where} must be {TYPE_WORDS[hint]}, not {value!r}")
    return value


def _refuse_unstorable(value: Any, where: str) -> None:
    """Raise `PipelineError` on numbers and texts that JSON or a database cannot hold."""
    if isinstance(value, float) and not math.isfinite(value):
        raise PipelineError(f"{where} is {value}; it must be a finite number")
    if isinstance(value, int) and abs(value) > LARGEST:
        raise PipelineError(f"{where} is out of range: the largest number allowed is {LARGEST}")
    if isinstance(value, str | Path) and "\0" in str(value):
        raise PipelineError(f"{where} is {str(value)!r}; it must not contain the NUL character")


def _with_absolute_paths(config: RunConfig, base: Path) -> RunConfig:
    """The config with absolute paths; a subject that is not a folder is left as a hub name."""
    if config.corpus.path is not None:
        config = config.with_corpus(base / config.corpus.path.expanduser())
    subject = replace(config.subject, model=_place_of(config.subject.model, base))
    config = replace(config, subject=subject)
    if (base / Path(config.clap.model).expanduser()).exists() and config.clap.model:
        model = str((base / Path(config.clap.model).expanduser()).resolve())
        config = replace(config, clap=replace(config.clap, model=model))
    if config.sae.checkpoint:
        sae = replace(config.sae, checkpoint=_place_of(config.sae.checkpoint, base))
        config = replace(config, sae=sae)
    captioners = tuple(_place_of(model, base) for model in config.captioner.models)
    config = replace(config, captioner=replace(config.captioner, models=captioners))
    for section, name in METHOD_PATHS:
        values = getattr(config, section)
        path = getattr(values, name)
        if path is not None:
            made = replace(values, **{name: (base / path.expanduser()).resolve()})
            config = replace(config, **{section: made})
    return config


def _place_of(model: str, base: Path) -> str:
    """The absolute path of a model's folder; a name on the hub is left as it is."""
    folder = base / Path(model).expanduser()
    if folder.is_dir() or model.startswith((".", "/", "~")):
        return str(folder.resolve())
    return model
