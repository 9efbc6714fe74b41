"""Reads compose.yaml as Docker Compose does: `.env`, interpolation, commands, health checks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE, EXAMPLE = ROOT / "compose.yaml", ROOT / "deploy" / "env.example"
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


@dataclass(frozen=True)
class Service:
    """One service of the file, with variables filled in."""

    name: str
    entry: Mapping[str, Any]
    given: Mapping[str, str]
    """The variables in `.env`."""

    @property
    def command(self) -> list[str]:
        """The command as a list of arguments; empty if the image's own command is used."""
        return _words(self.entry.get("command", []))

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the service's processes: its `env_file`, then its `environment`."""
        read = dict(self.given) if self.entry.get("env_file") == ".env" else {}
        own = self.entry.get("environment", {})
        return read | {name: str(value) for name, value in own.items()}

    @property
    def is_ours(self) -> bool:
        """Whether it runs the image that the Dockerfile builds."""
        return "build" in self.entry

    @property
    def needs(self) -> dict[str, str]:
        """The services that it waits for, with the condition for each."""
        waits = self.entry.get("depends_on", {})
        return {name: one["condition"] for name, one in waits.items()}

    @property
    def check(self) -> list[str]:
        """The health check's command; empty if it has none."""
        kind, *words = self.entry.get("healthcheck", {}).get("test", [""])
        return ["/bin/sh", "-c", words[0]] if kind == "CMD-SHELL" else words


def services(given: Mapping[str, str]) -> dict[str, Service]:
    """Every service of compose.yaml, with the variables of `.env` filled in.

    Raises `KeyError` if a required variable is not set.
    """
    read = yaml.safe_load(COMPOSE.read_text())["services"]
    return {name: Service(name, _filled(entry, given), given) for name, entry in read.items()}


def env_file(path: Path) -> dict[str, str]:
    """The variables set in a file such as `.env`."""
    lines = (line.strip() for line in path.read_text().splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def _filled(value: Any, given: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return VARIABLE.sub(lambda found: _value(found, given), value)
    if isinstance(value, list):
        return [_filled(one, given) for one in value]
    if isinstance(value, dict):
        return {name: _filled(one, given) for name, one in value.items()}
    return value


def _value(found: re.Match[str], given: Mapping[str, str]) -> str:
    name, sign, other = found.groups()
    if given.get(name):
        return given[name]
    if sign == "?":
        raise KeyError(f"{name}: {other}")
    return other or ""


def _words(command: str | list[str]) -> list[str]:
    return shlex.split(command) if isinstance(command, str) else list(command)
