"""The form fields of a run's config, derived from the config's dataclasses.

Help, type, default and choices come from `pipeline.config.sections`; only the pipeline decides what
is valid. The TOML text always contains the whole config: fields are read from it and written to it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import PurePath
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import tomli_w

from studyapp.core.errors import RunError
from studyapp.runs.services.configs import config_from_toml, read_toml, refusals
from studyapp.runs.services.readiness import Choice

SHOWN: dict[str, tuple[str, ...]] = {
    "corpus": ("path", "adapter", "clip_seconds"),
    "subject": ("model", "backend", "hookpoints"),
    "sae": ("expansions", "ks", "steps", "seed", "checkpoint"),
    "features": ("preset",),
    "labels": ("methods", "candidates", "seed"),
    "clap": ("model",),
    "scores": ("scorers",),
    "machine": ("device",),
}
"""Section → the fields in the form; all others are only in the text."""
FURTHER = "further_subjects"
"""The field that is a section of its own, [sweep]."""
Subjects = dict[str, dict[str, Any]]
"""What each subject of [sweep] has of its own, by its name."""
NAMES = {"sae": "SAEs", "clap": "CLAP"}


@dataclass(frozen=True)
class Field:
    """One field of the form: its place in the config, and how it is filled in."""

    section: str
    name: str
    kind: str
    """`text`, `number`, `choice`, `many` (of the choices) or `list` (separated by commas)."""
    help: str
    default: str
    choices: tuple[str, ...]
    numeric: bool
    """Whether its values are numbers."""

    @property
    def key(self) -> str:
        """Its name in the form's data."""
        return f"{self.section}.{self.name}"

    @property
    def html_id(self) -> str:
        """The id of its HTML element."""
        return f"field-{self.section}-{self.name}"

    @property
    def label(self) -> str:
        """Its name as shown on the page."""
        return self.name.replace("_", " ").capitalize().replace("Ks", "k")


@cache
def sections() -> tuple[tuple[str, tuple[Field, ...]], ...]:
    """Return the form's fields by section, in the config's order."""
    from pipeline.config import RunConfig

    kinds = get_type_hints(RunConfig)
    found = []
    for section, shown in SHOWN.items():
        own = _fields(section, kinds[section], shown)
        further = [_further_field()] if section == "subject" else []
        found.append((NAMES.get(section, section.capitalize()), (*own, *further)))
    return tuple(found)


def filled(
    config: Mapping[str, Any],
    known: Mapping[str, list[str]],
    offered: Mapping[str, list[str]] | None = None,
    choices: Mapping[str, list[Choice]] | None = None,
) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the sections for a page: each field with its value and the `known` suggestions.

    A field in `offered` only accepts one of the values there; `choices` explains those of a field
    with several.
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
                    "choices": (choices or {}).get(one.key, []),
                }
                for one in own
            ],
        )
        for title, own in sections()
    ]


def _further_field() -> Field:
    """The field for the subjects that [sweep] has beside that of [subject]."""
    return Field(
        section="sweep", name=FURTHER, kind="list", default="", choices=(), numeric=False,
        help="Each becomes a run of its own, with the same SAEs on the same corpus: a control "
        f"({', '.join(_controls())}) or another model.",
    )  # fmt: skip


def _named(places: Sequence[str]) -> list[tuple[str, str]]:
    """Return places with their names: only the folder's name, if it is unique."""
    names = {place: PurePath(place).name if place.startswith("/") else place for place in places}
    several = Counter(names.values())
    return [(place, name if several[name] == 1 else place) for place, name in names.items()]


def values_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Field → its value in a config: a text, or a list of texts for `many`."""
    shown: dict[str, Any] = {}
    for _, own in sections():
        for field in own:
            if field.name == FURTHER:
                shown[field.key] = ", ".join(further(config))
                continue
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
    """Write the form's fields into the TOML `text`; empty fields and defaults are left out.

    Fields that are not in `data` do not change. Raises `RunError` if the text is not TOML.
    """
    config = read(text)
    for _, own in sections():
        for field in (one for one in own if one.key in data):
            if field.name == FURTHER:
                _write_further(config, str(data[field.key]))
                continue
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
        return tomli_w.dumps(config)


def text_of(config: Mapping[str, Any]) -> str:
    """Return a run's stored config as TOML text without default values.

    Raises `RunError` if the pipeline no longer accepts the config.
    """
    subject, features = _section(config, "subject"), _section(config, "features")
    kept: dict[str, dict[str, Any]] = {
        "subject": {key: subject[key] for key in ("model", "hookpoints") if key in subject},
        "features": {key: features[key] for key in ("preset",) if key in features},
    }
    defaults = config_from_toml(text=tomli_w.dumps(kept))
    for name in config:
        own, default = _section(config, name), _section(defaults, name)
        # TOML has no null.
        more = {k: v for k, v in own.items() if v is not None and default.get(k) != v}
        kept[name] = kept.get(name, {}) | more
    return tomli_w.dumps({name: section for name, section in kept.items() if section})


def read(text: str) -> dict[str, Any]:
    """Parse TOML text into a plain dict. Raises `RunError` if it is not TOML."""
    return read_toml(text)


def at_fault(line: str) -> str:
    """Return the element id of the field that an error is about, e.g. `[sae] ks is …`, or ""."""
    for _, own in sections():
        for field in own:
            if line.startswith((f"[{field.section}] {field.name}", f"[[{field.section}.")):
                return field.html_id
    return ""


def _fields(section: str, kind: Any, shown: tuple[str, ...]) -> list[Field]:
    hints = get_type_hints(kind)
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
                help=own[name].metadata.get("help", ""),
                default=_shown(None if default is MISSING else default),
                choices=choices,
                numeric=inner in (int, float),
            )
        )
    return made


def _choices(section: str, name: str) -> tuple[str, ...]:
    """Return the names that the pipeline's registries and presets have for a field."""
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


def _plain_type(hint: Any) -> tuple[Any, bool]:
    """Return the type of a value without `None`, and whether there may be several values."""
    if get_origin(hint) in (Union, UnionType):
        [hint] = [one for one in get_args(hint) if one is not type(None)]
    return (get_args(hint)[0], True) if get_origin(hint) is tuple else (hint, False)


def _shown(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _section(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a section as a dict; the pipeline refuses anything else."""
    found = config.get(name)
    return found if isinstance(found, dict) else {}


def _value(field: Field, data: Mapping[str, Any], before: Any) -> Any:
    """Return a field's value for the config; None to leave it out."""
    if field.kind == "many":
        # Variants such as gemini@MODEL have no checkbox, so those in the text are kept.
        others = [one for one in _texts(before) if one not in field.choices]
        checked = [one for one in _several(data, field.key) if one in field.choices]
        chosen = [*checked, *others]
        return None if ", ".join(chosen) == field.default else chosen
    entry = str(data.get(field.key, "")).strip()
    if not entry or entry == field.default:
        return None
    if field.kind == "list":
        return [_typed(part.strip(), field) for part in entry.split(",") if part.strip()]
    return _typed(entry, field)


def _texts(value: Any) -> list[str]:
    """Return the texts in a list; the pipeline refuses any other values."""
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _several(data: Mapping[str, Any], key: str) -> list[str]:
    values = data.getlist(key) if hasattr(data, "getlist") else data.get(key, [])
    return [str(one) for one in values if one]


def _typed(entry: str, field: Field) -> Any:
    """Return a number for a numeric field; anything else stays text, which the pipeline refuses."""
    if not field.numeric:
        return entry
    for kind in (int, float):
        try:
            return kind(entry)
        except ValueError:
            continue
    return entry


def _controls() -> tuple[str, ...]:
    """Return the names of the controls, which may be named like a model."""
    from pipeline.config.sections import CONTROLS

    return tuple(one for one in CONTROLS if one != "none")


def further(config: Mapping[str, Any]) -> list[str]:
    """Return the names of the subjects that differ from [subject]."""
    return [name for name, own in (_subjects(config) or {}).items() if own]


def _write_further(config: dict[str, Any], entry: str) -> None:
    """Write the field's entry, names separated by commas, into a config.

    What the config has under a name stays as it is; any other name is that of a control or a model.
    A section [sweep] that the pipeline refuses stays too, so that its author can mend it.
    """
    before = _subjects(config)
    wanted = [part.strip() for part in entry.split(",") if part.strip()]
    if before is None or wanted == further(config):
        return
    if not wanted:
        config.pop("sweep", None)
        return
    found = {name: own for name, own in before.items() if not own or name in wanted}
    if not before:
        found[_name_of(_model(config), found)] = {}
    for part in wanted:
        if part not in before:
            own = {"control" if part in _controls() else "model": part}
            found[_name_of(part, found)] = own
    config["sweep"] = {"subjects": [{"name": name, **own} for name, own in found.items()]}


def _subjects(config: Mapping[str, Any]) -> Subjects | None:
    """The subjects of [sweep], none if there is no such section; None if it is refused."""
    from pipeline.config.sweep import subjects_of

    if "sweep" not in config:
        return {}
    try:
        with refusals():
            return subjects_of(config["sweep"])
    except RunError:
        return None


def _model(config: Mapping[str, Any]) -> str:
    subject = config.get("subject")
    return str(subject.get("model", "")) if isinstance(subject, Mapping) else ""


def _name_of(place: str, taken: Mapping[str, Any]) -> str:
    """A free name for a subject: the last part of its place, as far as a folder may have it."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", PurePath(place).name).strip("-._") or "subject"
    names = (stem, *(f"{stem}-{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)
