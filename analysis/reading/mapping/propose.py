"""Looks at a table and proposes what each column is: by its name, and by what is in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from analysis.errors import AnalysisError
from analysis.reading.columns import STATUSES
from analysis.reading.mapping.apply import regex_of
from analysis.reading.mapping.mapping import FURTHER, UNSAID, Mapping
from analysis.reading.mapping.scales import Scale, number_in, scale_of
from analysis.reading.mapping.tables import Table

NAMES: dict[str, tuple[str, ...]] = {
    "participation": (
        "participation", "prolificpid", "prolificid", "participantcode", "participantid",
        "participant", "sessionuuid", "subjectid", "subject", "workerid", "annotator",
        "completedby", "responseid", "uuid", "email", "rater", "listener", "userid", "user", "pid",
    ),
    "confidence": (
        "confidence", "rating", "ratingscore", "stimulirating", "score", "likert", "response",
        "answer", "slider", "value",
    ),
    "method": (
        "method", "condition", "system", "model", "labeler", "ratingstimulus", "stimuli",
        "treatment", "group", "arm",
    ),
    "feature": (
        "feature", "item", "itemid", "concept", "stimulus", "clip", "track", "audio", "sound",
        "question", "trialid",
    ),
    "trial": ("trial", "trialindex", "trialnumber", "roundnumber", "order", "position"),
    "participation_status": ("participationstatus", "finished", "completed", "status"),
    "response_ms": ("responsems", "rt", "ratingtime"),
    "free_text": ("freetext", "ratingcomment", "comment"),
}  # fmt: skip
"""Column of `responses.csv` → names that other platforms give it, the likeliest first, in lower
case without signs. A name may also be the last part of a longer one (`definition.method`)."""
COMPLETE = ("complete", "completed", "true", "1", "yes", "approved")
A_RATING = re.compile(r"(audio|html|image)-(slider|button)-response|survey-likert")
MOST_METHODS = 40


def propose(table: Table) -> tuple[Mapping, tuple[str, ...]]:
    """A mapping, and what to check in it; raises `AnalysisError` if the table has no ratings."""
    if {"participation", "method", "feature", "trial", "confidence"} <= set(table.columns):
        return _our_own(table), ("These are the columns of responses.csv already.",)
    wide = _rounds(table) or _cells(table)
    mapping = wide if wide is not None else _long(table)
    notes = [f"Proposed for {table.name}. Check every line before you use it."]
    for name in ("method", "feature"):
        if any(told.get(name) == UNSAID for told in (mapping.constants, *mapping.items.values())):
            notes.append(f"No column looks like the {name}: name it, or the only one, below.")
    return mapping, tuple(notes)


def _our_own(table: Table) -> Mapping:
    same = {name: name for name in table.columns if name in FURTHER}
    own = {name: name for name in ("participation", "method", "feature", "trial", "confidence")}
    return Mapping(own | same)


def _bare(column: str) -> str:
    return re.sub(r"[^a-z0-9]", "", column.lower())


def _last(column: str) -> str:
    return _bare(column.rpartition(".")[2])


def _named(table: Table, role: str, taken: Sequence[str] = ()) -> str | None:
    """The column that is probably this; whole names before last parts of names."""
    free = [column for column in table.columns if column not in taken and table.values(column)]
    for name in NAMES[role]:
        for reduced in (_bare, _last):
            for column in free:
                if reduced(column) == name and _can_be(table, role, column):
                    return column
    return None


def _can_be(table: Table, role: str, column: str) -> bool:
    """Whether the cells allow it."""
    values = table.values(column)
    if role == "confidence":
        return scale_of(_rated(table, column)) is not None
    if role == "trial":
        return all((number_in(value) or 0) == int(number_in(value) or 0) for value in values)
    if role == "method":
        return len(values) <= MOST_METHODS
    return not any(value.startswith(("{", "[")) for value in values)


def _rated(table: Table, column: str) -> list[str]:
    """The cells of a column in the rows that ask for a rating, as far as jsPsych's types tell."""
    kinds = _kinds(table)
    if not kinds:
        return table.values(column)
    rows = [row for row in table.rows if row["trial_type"] in kinds]
    return list(dict.fromkeys(row[column] for row in rows if row[column]))


def _kinds(table: Table) -> tuple[str, ...]:
    if "trial_type" not in table.columns:
        return ()
    return tuple(one for one in table.values("trial_type") if A_RATING.fullmatch(one))


def _long(table: Table) -> Mapping:
    columns: dict[str, str] = {}
    roles = ("participation", "confidence", "method", "feature", "trial", "participation_status",
             "response_ms", "free_text")  # fmt: skip
    for role in roles:
        found = _named(table, role, tuple(columns.values()))
        if found is not None:
            columns[role] = found
    if "confidence" not in columns:
        columns["confidence"] = _any_rating(table, tuple(columns.values()))
    if "participation" not in columns:
        raise AnalysisError(
            f"{table.name}: no column looks like a participant’s; its columns are "
            f"{', '.join(table.columns[:12])}"
        )
    kinds = _kinds(table)
    mapping = Mapping(
        columns,
        scale=scale_of(_rated(table, columns["confidence"])) or Scale(),
        constants={name: UNSAID for name in ("method", "feature") if name not in columns},
        keep={"trial_type": kinds} if kinds else {},
        leave_out=_left_out(table),
    )
    return _with_status(table, mapping)


def _any_rating(table: Table, taken: Sequence[str]) -> str:
    """A column whose cells are on a known scale, with more than two of its levels."""
    for column in table.columns:
        values = table.values(column)
        if column not in taken and len(values) > 2 and scale_of(values) is not None:
            return column
    raise AnalysisError(
        f"{table.name}: no column looks like ratings; name it in a mapping of your own (its "
        f"columns are {', '.join(table.columns[:12])})"
    )


def _left_out(table: Table) -> dict[str, tuple[str, ...]]:
    """Practice, failed and repeated trials."""
    found: dict[str, tuple[str, ...]] = {}
    for column in table.columns:
        values = {value.lower(): value for value in table.values(column)}
        if (
            _last(column) in ("failed", "isrepeattrial", "ispractice", "practice")
            and "true" in values
        ):
            found[column] = (values["true"],)
        elif _last(column) in ("kind", "phase", "block") and "practice" in values:
            found[column] = (values["practice"],)
    return found


def _with_status(table: Table, mapping: Mapping) -> Mapping:
    """With the cells that mean complete; without the column if none does."""
    own = mapping.columns.get("participation_status")
    if own is None or "{" in own:
        return mapping
    values = table.values(own)
    if set(values) <= set(STATUSES):
        return mapping
    complete = tuple(value for value in values if value.lower() in COMPLETE)
    if complete:
        return replace(mapping, complete=complete)
    rest = {name: one for name, one in mapping.columns.items() if name != "participation_status"}
    return replace(mapping, columns=rest)


def _rounds(table: Table) -> Mapping | None:
    """oTree's wide table: `app.1.player.rating`, `app.2.player.rating` …"""
    numbered = [column for column in table.columns if re.search(r"\.\d+\.", column)]
    patterns = dict.fromkeys(
        re.sub(r"\.\d+\.", ".{trial}.", column, count=1) for column in numbered
    )
    columns: dict[str, str] = {}
    for role in ("confidence", "method", "feature", "response_ms", "free_text"):
        for name in NAMES[role]:
            fits = [pattern for pattern in patterns if _last(pattern) == name]
            if fits and role not in columns:
                columns[role] = fits[0]
    if "confidence" not in columns:
        return None
    first = [
        one
        for one in numbered
        if re.sub(r"\.\d+\.", ".{trial}.", one, count=1) == columns["confidence"]
    ]
    scale = scale_of(list(dict.fromkeys(v for column in first for v in table.values(column))))
    return _completed(table, columns, scale) if scale is not None else None


def _cells(table: Table) -> Mapping | None:
    """A column per rating, such as `essentia_12`: `{method}_{feature}`, or one `{item}` each."""
    rated = [column for column in table.columns if _is_rating(table, column)]
    if len(rated) < 4:
        return None
    scale = scale_of(list(dict.fromkeys(v for column in rated for v in table.values(column))))
    if scale is None:
        return None
    for sign in ("_", ".", " ", "-"):
        first = [column.partition(sign) for column in rated]
        last = [column.rpartition(sign) for column in rated]
        # `corpus_tags_12` beside `essentia_12`: the features that methods share tell where a
        # method's name ends.
        parts = last if _shared(last) > _shared(first) else first
        if not _are_methods(parts):
            continue
        pattern = f"{{method}}{sign}{{feature}}"
        made = _completed(table, {"confidence": pattern}, scale)
        fits = {column for column in table.columns if regex_of(pattern).fullmatch(column)}
        if parts is first and fits - made.named <= set(rated):
            return made
        items = {
            column: {"method": method, "feature": feature}
            for column, (method, _, feature) in zip(rated, parts, strict=True)
        }
        return _completed(table, {"confidence": "{item}"}, scale, items)
    items = {column: {"method": UNSAID, "feature": column} for column in rated}
    return _completed(table, {"confidence": "{item}"}, scale, items)


Parts = Sequence[tuple[str, str, str]]


def _are_methods(parts: Parts) -> bool:
    """Whether what stands first is one of a few names with several columns each."""
    methods = Counter(method for method, _, _ in parts)
    whole = all(method and feature for method, _, feature in parts)
    return whole and 2 <= len(methods) <= MOST_METHODS and min(methods.values()) >= 2


def _shared(parts: Parts) -> int:
    """How many features stand under several methods; 0 if these are not methods."""
    if not _are_methods(parts):
        return 0
    return sum(n > 1 for n in Counter(feature for _, _, feature in parts).values())


def _is_rating(table: Table, column: str) -> bool:
    """Not a name that means something else, and cells on one scale, of few levels."""
    other = {name for role, names in NAMES.items() if role != "confidence" for name in names}
    values = table.values(column)
    plain = _bare(column) not in other and _last(column) not in (*other, "progress", "age")
    scale = scale_of(values) if values else None
    return (
        plain and scale is not None and scale.steps <= 10 and _bare(column) != "distributionchannel"
    )


def _completed(
    table: Table,
    columns: dict[str, str],
    scale: Scale,
    items: dict[str, dict[str, str]] | None = None,
) -> Mapping:
    """A wide mapping with the columns that are the participant's."""
    found = dict(columns)
    told = {n for item in (items or {}).values() for n, said in item.items() if said != UNSAID}
    for role in ("participation", "method", "participation_status"):
        own = _named(table, role)
        there = role in found or role in told or f"{{{role}}}" in columns["confidence"]
        if own is not None and not there:
            found[role] = own
    items = {
        key: {name: said for name, said in item.items() if name not in found}
        for key, item in (items or {}).items()
    }
    if "participation" not in found:
        raise AnalysisError(f"{table.name}: no column looks like a participant’s")
    places = "".join(columns.values())
    unknown = {
        name: UNSAID for name in ("method", "feature")
        if name not in found and f"{{{name}}}" not in places and not items
    }  # fmt: skip
    order = ("participation", "confidence", "method", "feature", "response_ms", "free_text",
             "participation_status")  # fmt: skip
    mapping = Mapping(
        {name: found[name] for name in order if name in found},
        scale=scale, constants=unknown, items=items, leave_out=_left_out(table),
    )  # fmt: skip
    return _with_status(table, mapping)
