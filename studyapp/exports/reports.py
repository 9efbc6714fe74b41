"""The columns of `problems.csv`, and those about a participant's device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from studyapp.exports.cells import pseudonym
from studyapp.exports.files import Column, File
from studyapp.models import ProblemReport
from studyapp.models.steps import Step


def _browser(name: str) -> Callable[[ProblemReport], Any]:
    return lambda report: report.browser.get(name)


def _state(name: str) -> Callable[[ProblemReport], Any]:
    return lambda report: report.state.get(name)


def _players(report: ProblemReport) -> str:
    """Each player's state as NAME=VALUE, the players joined by |."""
    players = report.state.get("players", ())
    return "|".join(" ".join(f"{key}={_plain(one[key])}" for key in one) for one in players)


def _plain(value: int | bool) -> str:
    return str(value).lower()


PROBLEMS: File[ProblemReport] = File("problems.csv", "one report of a technical problem", [
    Column("participation", "text", "Pseudonym, the same in every file.",
           lambda r: pseudonym(r.participation.identifier)),
    Column("reported_at", "time", "When it was reported, UTC.", lambda r: r.reported_at),
    Column("page", "text", "The step at which it was reported.", lambda r: r.page,
           levels=tuple(step.value for step in Step)),
    Column("trial", "integer", "The trial's number; empty outside trials.",
           lambda r: r.trial.number if r.trial else None),
    Column("problem", "text", "What the participant chose as closest.", lambda r: r.kind,
           levels=tuple(ProblemReport.Kind.values)),
    Column("words", "text", "What the participant wrote about it; optional.", lambda r: r.words),
    Column("browser", "text", "Family of the browser.", _browser("browser")),
    Column("browser_version", "integer", "Its major version.", _browser("version")),
    Column("operating_system", "text", "Family of the operating system.", _browser("system")),
    Column("touch", "boolean", "Whether the device's main pointer is a finger.", _state("touch"),
           levels=("true", "false")),
    Column("online", "boolean", "Whether the browser said that it is online.", _state("online"),
           levels=("true", "false")),
    Column("storage", "boolean", "Whether the page could store something in the browser.",
           _state("storage"), levels=("true", "false")),
    Column("window_width", "integer", "Width of the window.", _state("width"), unit="CSS pixels"),
    Column("window_height", "integer", "Height of the window.", _state("height"),
           unit="CSS pixels"),
    Column("page_ms", "integer", "How long the page had been open.", _state("page_ms"), unit="ms"),
    Column("players", "text",
           "State of the page's players, joined by |: number, position and sound played in ms, "
           "readyState (ready), networkState (network) and error code of the audio element, and "
           "whether it was paused, had failed, or was heard to the end.", _players),
    Column("simulated", "boolean", "Whether a simulated listener's page sent it.",
           lambda r: r.participation.simulated, levels=("true", "false")),
])  # fmt: skip
