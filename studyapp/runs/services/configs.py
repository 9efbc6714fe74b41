"""A run's config as the site takes it: read from text, refused in one line whatever is in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from studyapp.core.errors import RunError

if TYPE_CHECKING:
    from pipeline.config import RunConfig

LONGEST_LINE = 500
"""Characters of a refusal: it may quote a value that is as long as the config."""


def config_from_toml(*, text: str, base: Path | None = None) -> dict[str, Any]:
    """A config's plain dict from TOML; relative paths count from `base` (default: the project).

    Raises `RunError` on what is not TOML and on what the pipeline refuses.
    """
    return validated(read_toml(text), base=base).to_dict()


def read_toml(text: str) -> dict[str, Any]:
    """The plain dict in a TOML text; raises `RunError` if it is none."""
    import tomllib

    with refusals("the config is not TOML: "):
        return tomllib.loads(text.removeprefix("\ufeff"))


def validated(config: Mapping[str, Any], *, base: Path | None = None) -> RunConfig:
    """The pipeline's own object of a config; raises `RunError` if it is refused."""
    from pipeline.config import config_from_dict

    with refusals():
        return config_from_dict(config, base=base or settings.BASE_DIR)


@contextmanager
def refusals(prefix: str = "") -> Iterator[None]:
    """Whatever a config makes the pipeline or Python say becomes a `RunError` of one line."""
    from pipeline.errors import PipelineError

    try:
        yield
    except PipelineError as error:
        raise RunError(_line(error)) from error
    except (ValueError, OverflowError, OSError, RecursionError) as error:
        # Brackets in brackets, numbers of thousands of digits, names that no file can have.
        raise RunError(_line(error, prefix or "the config cannot be used: ")) from error


def _line(error: Exception, prefix: str = "") -> str:
    whole = prefix + " ".join(str(error).split())
    return whole if len(whole) <= LONGEST_LINE else f"{whole[:LONGEST_LINE]}…"
