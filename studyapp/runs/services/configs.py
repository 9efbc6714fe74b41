"""Reads and validates run configs; any invalid config is refused with a one-line error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from studyapp.core.errors import RunError

if TYPE_CHECKING:
    from pipeline.config import RunConfig

Configs = dict[str, dict[str, Any]]
"""The configs of one run or several, by their subjects' names."""
MAX_SUBJECTS = 20
"""A page checks and estimates the run of each while it is typed."""
MAX_LINE = 500
"""Limit of an error message, which may quote a value of any length; characters."""


def config_from_toml(*, text: str, base: Path | None = None) -> dict[str, Any]:
    """Parse and validate a TOML config; relative paths start at `base` (default: this project).

    Raises `RunError` if it is not TOML or if the pipeline refuses it.
    """
    return validated(read_toml(text), base=base).to_dict()


def configs_from_toml(*, text: str, check: Callable[[Mapping[str, Any]], None]) -> Configs:
    """Parse and validate a TOML config that may have [sweep]: the config of every run, by its
    subject's name; one without a name if there is no [sweep].

    `check` is called with the sections of each before anything on the disk is looked at. Raises
    `RunError` as `config_from_toml` and `check` do.
    """
    from pipeline.config import expanded

    with refusals():
        sections = expanded(read_toml(text))
    if len(sections) > MAX_SUBJECTS:
        raise RunError(f"[sweep] has {len(sections)} subjects, over the limit of {MAX_SUBJECTS}")
    for raw in sections.values():
        check(raw)
    return {name: validated(raw).to_dict() for name, raw in sections.items()}


def read_toml(text: str) -> dict[str, Any]:
    """Parse TOML text into a plain dict. Raises `RunError` if it is not TOML."""
    import tomllib

    with refusals("the config is not TOML: "):
        return tomllib.loads(text.removeprefix("\ufeff"))


def validated(config: Mapping[str, Any], *, base: Path | None = None) -> RunConfig:
    """Return the pipeline's object for a config. Raises `RunError` if it is refused."""
    from pipeline.config import config_from_dict

    with refusals():
        return config_from_dict(config, base=base or settings.BASE_DIR)


@contextmanager
def refusals(prefix: str = "") -> Iterator[None]:
    """Turn any error that a config causes in the pipeline or Python into a one-line `RunError`."""
    from pipeline.errors import PipelineError

    try:
        yield
    except PipelineError as error:
        raise RunError(_line(error)) from error
    except (ValueError, OverflowError, OSError, RecursionError) as error:
        # Deeply nested brackets, numbers with thousands of digits, impossible file names.
        raise RunError(_line(error, prefix or "the config cannot be used: ")) from error


def _line(error: Exception, prefix: str = "") -> str:
    whole = prefix + " ".join(str(error).split())
    return whole if len(whole) <= MAX_LINE else f"{whole[:MAX_LINE]}…"
