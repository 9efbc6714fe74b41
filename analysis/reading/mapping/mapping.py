"""What a table's columns mean: read from a TOML file, and written as one to be edited.

A name in `[columns]` with `{method}`, `{feature}`, `{trial}` or `{item}` in it makes the table a
wide one: every column that fits gives a response, and what stands at the place is the response's
method, feature or trial. An `{item}` is looked up in `[items]`.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping as AMapping
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.errors import AnalysisError, quote
from analysis.reading.columns import REQUIRED
from analysis.reading.mapping.scales import Scale
from analysis.reading.text_files import read_text

FURTHER = (
    "kind", "participation_status", "run", "chosen_label", "chosen_rank", "free_text",
    "response_ms", "hidden_ms", "shown_at", "answered_at", "flags", "repeat_of",
    "chosen_position", "target_position", "study", "study_version", "simulated", "trial_type",
)  # fmt: skip
"""Further columns of `responses.csv` that a table may have."""
NEEDED = ("participation", "confidence")
PLACES = ("method", "feature", "trial", "item")
UNSAID = "?"
"""A proposal's method or feature that no column tells."""
PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Joined:
    """A second file: its rows are added by a key."""

    file: str
    key: str
    """Its column with the key."""
    on: str
    """The table's own column with it."""


@dataclass(frozen=True)
class Mapping:
    """One table's meaning."""

    columns: AMapping[str, str]
    """Column of `responses.csv` → the table's own."""
    scale: Scale = field(default_factory=Scale)
    constants: AMapping[str, str] = field(default_factory=dict)
    """Column of `responses.csv` → what it is in every row, such as the one method."""
    keep: AMapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The table's column → the only cells that count."""
    leave_out: AMapping[str, tuple[str, ...]] = field(default_factory=dict)
    complete: tuple[str, ...] = ()
    """Cells of the column of `participation_status` that mean a complete participation."""
    items: AMapping[str, AMapping[str, str]] = field(default_factory=dict)
    """`{item}` → its method, feature and trial."""
    join: tuple[Joined, ...] = ()

    @property
    def is_wide(self) -> bool:
        """Whether one row of the table holds several responses."""
        return "{" in self.columns["confidence"]

    @property
    def named(self) -> set[str]:
        """The table's columns that have a meaning of their own, and are no response."""
        return {*self.columns.values(), *self.keep, *self.leave_out}


def read_mapping(path: Path) -> Mapping:
    """The mapping in a TOML file; every refusal is an `AnalysisError` of one line."""
    try:
        found = tomllib.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise AnalysisError(f"{path.name}: not TOML: {' '.join(str(error).split())}") from error
    try:
        return _mapping_of(found)
    except AnalysisError as error:
        raise AnalysisError(f"{path.name}: {error}") from error


def _mapping_of(found: dict[str, Any]) -> Mapping:
    known = ("columns", "scale", "constants", "keep", "leave_out", "complete", "items", "join")
    _refuse_unknown(found, known, "section")
    columns, constants = _texts(found, "columns"), _texts(found, "constants")
    for section in (columns, constants):
        _refuse_unknown(section, (*REQUIRED, *FURTHER), "column")
    mapping = Mapping(
        columns={name: own for name, own in columns.items() if own},
        scale=_scale(found.get("scale", {})),
        constants=constants,
        keep=_lists(found, "keep"),
        leave_out=_lists(found, "leave_out"),
        complete=_list(found.get("complete", []), "complete"),
        items={key: _texts(_section(found, "items"), key) for key in _section(found, "items")},
        join=tuple(_joined(one) for one in _listed(found, "join")),
    )
    _check(mapping)
    return mapping


def _check(mapping: Mapping) -> None:
    missing = [name for name in NEEDED if name not in mapping.columns]
    if missing:
        raise AnalysisError(f"[columns] names no column for {missing[0]}")
    doubled = sorted(set(mapping.columns) & set(mapping.constants))
    if doubled:
        raise AnalysisError(f"{doubled[0]} is in [columns] and in [constants]: leave one out")
    places = PLACE.findall(mapping.columns["confidence"])
    _check_told(mapping, places)
    for own in mapping.columns.values():
        unknown = [place for place in PLACE.findall(own) if place not in PLACES]
        if unknown:
            raise AnalysisError(
                f"[columns]: {{{unknown[0]}}} in {quote(own)} is none of "
                f"{', '.join(f'{{{place}}}' for place in PLACES)}"
            )
        odd = [place for place in PLACE.findall(own) if place not in places]
        if odd:
            raise AnalysisError(
                f"[columns]: {{{odd[0]}}} in {quote(own)} is not in confidence, "
                f"{quote(mapping.columns['confidence'])}"
            )
    if len(set(places)) < len(places):
        raise AnalysisError("[columns]: confidence names one of its places twice")
    if "item" in places and not mapping.items:
        raise AnalysisError("[items] is empty: it says what each {item} is")
    for name in ("method", "feature"):
        known = name in mapping.columns or name in mapping.constants or name in places
        if not known and not (
            "item" in places and all(name in one for one in mapping.items.values())
        ):
            raise AnalysisError(
                f"nothing says what the {name} is: name its column in [columns], or the only "
                f"{name} in [constants]"
            )


def _check_told(mapping: Mapping, places: Sequence[str]) -> None:
    """Refuse what is told twice, and what a proposal left open."""
    told = {*places, *(name for item in mapping.items.values() for name in item)}
    doubled = sorted(told & {*mapping.columns})
    if doubled:
        raise AnalysisError(
            f"{doubled[0]} is in [columns], and told by the names of columns or by [items] too: "
            "leave one out"
        )
    for where, texts in (("[constants]", mapping.constants), *mapping.items.items()):
        unsaid = [name for name, value in texts.items() if value == UNSAID]
        if unsaid:
            raise AnalysisError(f"{where}: {unsaid[0]} is {quote(UNSAID)}; say what it is")


def _scale(found: Any) -> Scale:
    if not isinstance(found, dict):
        raise AnalysisError("[scale] is not a section")
    _refuse_unknown(found, ("lowest", "highest", "levels", "slider"), "entry of [scale]")
    if "levels" in found:
        if len(found) > 1:
            raise AnalysisError("[scale] has levels and ends or a slider: leave one out")
        return Scale(levels=_list(found["levels"], "[scale] levels"))
    ends = {}
    for name in ("lowest", "highest"):
        value = found.get(name, getattr(Scale(), name))
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e9:
            raise AnalysisError(f"[scale] {name} is {value!r:.40}, not a number")
        ends[name] = float(value)
    slider = found.get("slider", False)
    if not isinstance(slider, bool):
        raise AnalysisError(f"[scale] slider is {slider!r:.40}, not true or false")
    return Scale(lowest=ends["lowest"], highest=ends["highest"], slider=slider)


def _joined(found: Any) -> Joined:
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise AnalysisError("[[join]] needs file, key and on, each a text")
    _refuse_unknown(found, ("file", "key", "on"), "entry of [[join]]")
    if not all(found.get(name) for name in ("file", "key", "on")):
        raise AnalysisError("[[join]] needs file, key and on, each a text")
    return Joined(**found)


def _refuse_unknown(found: AMapping[str, Any], known: tuple[str, ...], kind: str) -> None:
    unknown = [name for name in found if name not in known]
    if unknown:
        raise AnalysisError(f"unknown {kind} {quote(unknown[0])}; known: {', '.join(known)}")


def _section(found: dict[str, Any], name: str) -> dict[str, Any]:
    section = found.get(name, {})
    if not isinstance(section, dict):
        raise AnalysisError(f"[{name}] is not a section")
    return section


def _texts(found: dict[str, Any], name: str) -> dict[str, str]:
    section = _section(found, name)
    for key, value in section.items():
        if not isinstance(value, str):
            raise AnalysisError(f"[{name}] {key} is {value!r:.40}, not a text in quotes")
    return section


def _lists(found: dict[str, Any], name: str) -> dict[str, tuple[str, ...]]:
    return {key: _list(one, f"[{name}] {key}") for key, one in _section(found, name).items()}


def _list(found: Any, name: str) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise AnalysisError(f"{name} is {found!r:.40}, not a list of texts")
    return tuple(found)


def _listed(found: dict[str, Any], name: str) -> list[Any]:
    if not isinstance(found.get(name, []), list):
        raise AnalysisError(f"[[{name}]] is not a list")
    return list(found.get(name, []))


COMMENTS = {
    "columns": "Column of responses.csv = the table's own. Take out what is wrong, add what is "
    "missing.",
    "scale": "Either lowest and highest, with slider = true if numbers between whole steps count, "
    "or levels = [...], the lowest first.",
    "constants": "What is the same in every row.",
    "keep": "Only rows with one of these cells count.",
    "leave_out": "Rows with one of these cells do not count.",
    "items": "What each {item} in the columns' names is.",
}


def as_toml(mapping: Mapping, notes: tuple[str, ...] = ()) -> str:
    """The mapping as a file that `read_mapping` reads, with comments."""
    parts = [*(f"# {note}" for note in notes), *([""] if notes else [])]
    if mapping.complete:
        parts += [
            "# Cells of the column of participation_status that mean a complete participation.",
            f"complete = {_toml(mapping.complete)}", "",
        ]  # fmt: skip
    scale = mapping.scale
    ends = {"lowest": scale.lowest, "highest": scale.highest}
    ends |= {"slider": True} if scale.slider else {}
    sections: dict[str, AMapping[str, Any]] = {
        "columns": mapping.columns,
        "scale": {"levels": scale.levels} if scale.levels else ends,
        "constants": mapping.constants,
        "keep": mapping.keep,
        "leave_out": mapping.leave_out,
    }
    for name, section in sections.items():
        if section:
            parts += [f"[{name}]", f"# {COMMENTS[name]}"]
            parts += [f"{_key(key)} = {_toml(value)}" for key, value in section.items()]
            parts.append("")
    if mapping.items:
        parts += ["[items]", f"# {COMMENTS['items']}"]
        for key, item in mapping.items.items():
            inside = ", ".join(f"{name} = {_toml(value)}" for name, value in item.items())
            parts.append(f"{_key(key)} = {{ {inside} }}")
    for one in mapping.join:
        parts += ["", "[[join]]", *(f"{name} = {_toml(getattr(one, name))}" for name in
                                    ("file", "key", "on"))]  # fmt: skip
    return "\n".join(parts).rstrip() + "\n"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name, re.ASCII) else _toml(name)


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return f"{value:g}"
