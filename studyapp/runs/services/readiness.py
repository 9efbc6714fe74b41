"""What the run of a config lacks on this machine, so that no run starts only to fail at once.

The site asks with its own files, packages and environment: `serve` and `compose.yaml` give the site
and its workers the same ones. A worker elsewhere asks again before the first stage
(`pipeline.run.execute_stage`), so a difference costs a second and not hours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from studyapp.core.errors import RunError
from studyapp.runs.services import policy
from studyapp.runs.services.configs import refusals, validated

if TYPE_CHECKING:
    from pipeline.config import RunConfig

OWN_SECTIONS = ("clap", "essentia", "gemini", "audio_chat", "captioner", "free_text", "ensemble")
"""Sections of a config that say where methods and scorers find what they need."""


@dataclass(frozen=True)
class Choice:
    """A method or scorer that a form offers."""

    name: str
    about: str
    lacks: str
    """Why this machine cannot do it now, and what to do; empty if it can."""


def missing(*configs: Mapping[str, Any]) -> list[str]:
    """Return what is missing for runs of these configs, one line each, with what to do."""
    from pipeline import readiness

    with refusals():
        lines = [line for config in configs for line in readiness.missing(validated(config))]
    return list(dict.fromkeys(lines))


def require(*configs: Mapping[str, Any]) -> None:
    """Raise `RunError` if something is missing for runs of these configs."""
    if lines := missing(*configs):
        raise RunError(f"This run cannot start here: {'; '.join(lines)}")


def choices(config: Mapping[str, Any], *, trusted: bool) -> dict[str, list[Choice]]:
    """Return the form's methods and scorers by field, for a config that may be incomplete."""
    from pipeline import labelers, readiness, scorers

    own = _settings(config, trusted=trusted)
    registries = {
        "labels.methods": (labelers.ABOUT, readiness.method_is_ready),
        "scores.scorers": (scorers.ABOUT, readiness.scorer_is_ready),
    }
    found = {}
    for key, (about, is_ready) in registries.items():
        lacks = {name: _fault_of(partial(is_ready, name, own)) for name in about}
        said = _once(lacks)
        found[key] = [Choice(name, line, said[name]) for name, line in about.items()]
    return found


def _fault_of(check: Callable[[], None]) -> str:
    """Return the line of the error that a check raises, whatever the config made it open."""
    try:
        with refusals():
            check()
    except RunError as error:
        return str(error)
    return ""


def _once(lacks: Mapping[str, str]) -> dict[str, str]:
    """Return the lines with each repetition replaced by where the line stands."""
    first: dict[str, str] = {}
    for name, line in lacks.items():
        first.setdefault(line, name)
    return {
        name: line
        if not line or first[line] == name
        else f"the same is missing as for {first[line]}"
        for name, line in lacks.items()
    }


def _settings(config: Mapping[str, Any], *, trusted: bool) -> RunConfig:
    """Return a config with what this one says of methods and scorers, if it may say so.

    Whether a path exists is told only of paths that the user may name.
    """
    subject = {"model": "any", "hookpoints": ["decoder.layers.0.resid_post"]}
    said = {name: config[name] for name in OWN_SECTIONS if isinstance(config.get(name), dict)}
    try:
        if not trusted:
            policy.check(said)
        return validated({"subject": subject, **said})
    except RunError:
        return validated({"subject": subject})
