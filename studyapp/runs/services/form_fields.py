"""A run's config as fields of a form: what the config's own dataclasses say, and nothing beside.

Meaning, type, default and choices are read from `pipeline.config.sections`; the pipeline alone says
what is valid. The TOML text stays the whole of the config: a field writes into it, and reads it.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import PurePath
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from studyapp.runs.services.configs import config_from_toml, read_toml, refusals

SHOWN: dict[str, tuple[str, ...]] = {
    "corpus": ("path", "adapter", "clip_seconds"),
    "subject": ("model", "backend", "hookpoints"),
    "sae": ("expansions", "ks", "steps", "seed"),
    "features": ("preset",),
    "labels": ("methods", "candidates", "seed"),
    "scores": ("scorers",),
    "machine": ("device",),
}
"""Section → the fields that the form has; all others are in the text."""
NAMES = {"sae": "SAEs"}
SEE = re.compile(r"[,;] see [A-Z_]+")
"""Where a meaning points to a name in the code."""


@dataclass(frozen=True)
class Field:
    """One field of the form: where it stands in the config, and how it is filled in."""

    section: str
    name: str
    kind: str
    """`text`, `number`, `choice`, `many` (of choices) or `list` (typed, with commas between)."""
    meaning: str
    default: str
    choices: tuple[str, ...]
    numeric: bool
    """Whether it takes numbers."""

    @property
    def key(self) -> str:
        """Its name in the form's data."""
        return f"{self.section}.{self.name}"

    @property
    def html_id(self) -> str:
        """Its element's."""
        return f"field-{self.section}-{self.name}"

    @property
    def label(self) -> str:
        """Its name in words."""
        return self.name.replace("_", " ").capitalize().replace("Ks", "k")


@cache
def sections() -> tuple[tuple[str, tuple[Field, ...]], ...]:
    """The form's fields by section, in the config's order."""
    from pipeline.config import RunConfig

    kinds = get_type_hints(RunConfig)
    return tuple(
        (NAMES.get(section, section.capitalize()), tuple(_fields(section, kinds[section], shown)))
        for section, shown in SHOWN.items()
    )


def filled(
    config: Mapping[str, Any],
    known: Mapping[str, list[str]],
    offered: Mapping[str, list[str]] | None = None,
) -> list[tuple[str, list[dict[str, Any]]]]:
    """For a page: the sections, each field with its value and what is `known` to stand in it.

    A field of `offered` takes one of its values and no other.
    """
    values, only = values_of(config), offered or {}
    return [
        (
            title,
            [
                {
                    "field": one,
                    "value": values[one.key],
                    "known": known.get(one.key, []),
                    "is_offered": one.key in only,
                    "value_is_offered": values[one.key] in only.get(one.key, []),
                    "offered": _named(only.get(one.key, [])),
                }
                for one in own
            ],
        )
        for title, own in sections()
    ]


def _named(places: Sequence[str]) -> list[tuple[str, str]]:
    """Places and what they are called: a folder's own name, if no other here has it."""
    names = {place: PurePath(place).name if place.startswith("/") else place for place in places}
    several = Counter(names.values())
    return [(place, name if several[name] == 1 else place) for place, name in names.items()]


def values_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """What each field shows of a config as it is given: text, or a list of texts under `many`."""
    shown: dict[str, Any] = {}
    for _, own in sections():
        for field in own:
            given = _section(config, field.section).get(field.name)
            many = field.kind == "many"
            if isinstance(given, list):
                shown[field.key] = [*map(str, given)] if many else ", ".join(map(str, given))
            elif given is None:
                shown[field.key] = field.default.split(", ") if many else ""
            else:
                shown[field.key] = [str(given)] if many else str(given)
    return shown


def written(text: str, data: Mapping[str, Any]) -> str:
    """The TOML `text` with the form's fields in it; an empty field, or one at its default, goes.

    What `data` does not have stays. Raises `RunError` if the text is not TOML: then the fields have
    nowhere to stand.
    """
    config = read(text)
    for _, own in sections():
        for field in (one for one in own if one.key in data):
            section = _section(config, field.section)
            value = _value(field, data, section.get(field.name))
            if value is None:
                section.pop(field.name, None)
            else:
                section[field.name] = value
            if section:
                config[field.section] = section
            else:
                config.pop(field.section, None)
    with refusals():
        return _toml(config)


def text_of(config: Mapping[str, Any]) -> str:
    """The whole config that a run keeps, as a text without what goes without saying.

    Raises `RunError` if the pipeline refuses by now what it once took.
    """
    subject, features = _section(config, "subject"), _section(config, "features")
    said: dict[str, dict[str, Any]] = {
        "subject": {key: subject[key] for key in ("model", "hookpoints") if key in subject},
        "features": {key: features[key] for key in ("preset",) if key in features},
    }
    usual = config_from_toml(text=_toml(said))
    for name in config:
        own = _section(config, name).items()
        more = {key: value for key, value in own if _section(usual, name).get(key) != value}
        said[name] = said.get(name, {}) | more
    return _toml({name: section for name, section in said.items() if section})


def read(text: str) -> dict[str, Any]:
    """The plain dict in a TOML text; raises `RunError` if it is none."""
    return read_toml(text)


def at_fault(line: str) -> str:
    """The element of the field that a refusal begins with, e.g. `[sae] ks is …`; else nothing."""
    for _, own in sections():
        for field in own:
            if line.startswith(f"[{field.section}] {field.name}"):
                return field.html_id
    return ""


def _fields(section: str, kind: Any, shown: tuple[str, ...]) -> list[Field]:
    hints, meanings = get_type_hints(kind), _meanings(kind)
    own = {one.name: one for one in fields(kind)}
    made = []
    for name in shown:
        inner, is_list = _plain_type(hints[name])
        choices = _choices(section, name)
        free = "list" if is_list else "text" if inner not in (int, float) else "number"
        chosen = "many" if is_list else "choice"
        default = own[name].default
        made.append(
            Field(
                section=section,
                name=name,
                kind=chosen if choices else free,
                meaning=_for_a_page(meanings.get(name, "")),
                default=_shown(None if default is MISSING else default),
                choices=choices,
                numeric=inner in (int, float),
            )
        )
    return made


def _choices(section: str, name: str) -> tuple[str, ...]:
    """The names that the registries and presets of the pipeline have for a field."""
    from pipeline.config.sections import FEATURE_PRESETS
    from pipeline.corpus.adapters import ADAPTERS
    from pipeline.labelers import LABELERS
    from pipeline.scorers import SCORERS
    from pipeline.subjects import SUBJECTS

    known: dict[tuple[str, str], Mapping[str, Any]] = {
        ("corpus", "adapter"): ADAPTERS,
        ("subject", "backend"): SUBJECTS,
        ("features", "preset"): FEATURE_PRESETS,
        ("labels", "methods"): LABELERS,
        ("scores", "scorers"): SCORERS,
    }
    return tuple(known.get((section, name), ()))


def _meanings(kind: Any) -> dict[str, str]:
    """Field → the string under it in the dataclass's source."""
    [body] = ast.parse(inspect.getsource(kind)).body
    found: dict[str, str] = {}
    name = ""
    for line in body.body if isinstance(body, ast.ClassDef) else []:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            name = line.target.id
        elif isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and name:
            found[name], name = " ".join(str(line.value.value).split()), ""
    return found


def _for_a_page(meaning: str) -> str:
    """Without marks of code; nothing where it only says in which registry the choices are."""
    return "" if "pipeline." in meaning else SEE.sub("", meaning.replace("`", ""))


def _plain_type(hint: Any) -> tuple[Any, bool]:
    """The type of a value, `None` left out, and whether there may be several."""
    if get_origin(hint) in (Union, UnionType):
        [hint] = [one for one in get_args(hint) if one is not type(None)]
    return (get_args(hint)[0], True) if get_origin(hint) is tuple else (hint, False)


def _shown(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _section(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A section as a dict; what is none is the pipeline's to refuse."""
    found = config.get(name)
    return found if isinstance(found, dict) else {}


def _value(field: Field, data: Mapping[str, Any], before: Any) -> Any:
    """What stands in the config for a field's entry; None to leave it out."""
    if field.kind == "many":
        # Variants such as gemini@MODEL have no box: what the text has of them stays.
        others = [one for one in _texts(before) if one not in field.choices]
        boxes = [one for one in _several(data, field.key) if one in field.choices]
        chosen = [*boxes, *others]
        return None if ", ".join(chosen) == field.default else chosen
    entry = str(data.get(field.key, "")).strip()
    if not entry or entry == field.default:
        return None
    if field.kind == "list":
        return [_typed(part.strip(), field) for part in entry.split(",") if part.strip()]
    return _typed(entry, field)


def _texts(value: Any) -> list[str]:
    """The texts in a list; what else stands there is the pipeline's to refuse in the text."""
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _several(data: Mapping[str, Any], key: str) -> list[str]:
    taken = data.getlist(key) if hasattr(data, "getlist") else data.get(key, [])
    return [str(one) for one in taken if one]


def _typed(entry: str, field: Field) -> Any:
    """A number where one is wanted; what is none stays text, for the pipeline to refuse."""
    if not field.numeric:
        return entry
    for kind in (int, float):
        try:
            return kind(entry)
        except ValueError:
            continue
    return entry


def _toml(config: Mapping[str, Any]) -> str:
    """A config of sections as TOML: strings, numbers, truths and lists of them."""
    parts = [f"{name} = {_toml_value(v)}\n" for name, v in config.items() if not _is_table(v)]
    for name, section in config.items():
        if _is_table(section):
            lines = "".join(f"{key} = {_toml_value(value)}\n" for key, value in section.items())
            parts.append(f"[{name}]\n{lines}")
    return "\n".join(parts)


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml_value, value))}]"
    if isinstance(value, Mapping):
        return (
            "{" + ", ".join(f"{json.dumps(k)} = {_toml_value(v)}" for k, v in value.items()) + "}"
        )
    if isinstance(value, str):
        # A TOML basic string escapes as JSON's does; DEL alone is allowed there and not here.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)
