"""Whose answers a table holds: people's or simulated listeners', from one study or several.

Simulated listeners' answers are left out unless there are no others. Where there are several
studies or versions, the report says before any figure how they are kept apart
(`analysis.estimates.strata`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.reading.companions import read_table
from analysis.reading.table import Responses, restricted

ALL_SIMULATED = (
    "All of these answers are by simulated listeners, not people. Nothing here says what people "
    "hear."
)


WITHIN = (
    "Methods are compared within each of them, and the mixed models have them as a fixed factor; "
    "the values of a single method are over all of them, which can differ in design and in texts."
)


def people_only(read: Responses, folder: Path, study: Mapping[str, Any] | None) -> Responses:
    """The table without simulated listeners' rows, unless all rows are theirs, and with warnings.

    The column `simulated` says whether a row is a simulated listener's, else `participants.csv`
    does. With neither, `study.json` only has their number, which gives a warning.
    """
    simulated = _simulated(read, folder)
    if simulated is None:
        warnings = _by_study(study)
    elif not simulated.any():
        warnings = []
    elif simulated.all():
        warnings = [ALL_SIMULATED]
    else:
        warnings = [_left_out(read.rows[simulated])]
        read = restricted(read, ~simulated, warnings[0])
    return dataclasses.replace(read, warnings=(*warnings, *_pooled(read.rows)))


def _simulated(read: Responses, folder: Path) -> pd.Series[bool] | None:
    """Whether each row is a simulated listener's; None if the files do not say."""
    if read.has("simulated"):
        return read.rows["simulated"].str.lower() == "true"
    table = read_table(folder, "participants.csv", ("participation",))
    if not table or "simulated" not in table[0]:
        return None
    names = {row["participation"] for row in table if row["simulated"].lower() == "true"}
    return read.rows["participation"].isin(names)


def _left_out(rows: pd.DataFrame) -> str:
    return (
        f"{len(rows)} responses of {rows['participation'].nunique()} simulated participations "
        "were left out: only people’s answers are counted."
    )


def _by_study(study: Mapping[str, Any] | None) -> list[str]:
    """The warning that `study.json` allows: how many listeners were simulated, but not which."""
    n = (study or {}).get("simulated_participations")
    if not isinstance(n, int) or n < 1:
        return []
    if n == _participations(study or {}):
        return [ALL_SIMULATED]
    return [
        f"{n} of the participations are simulated listeners, not people (study.json), and their "
        "answers are in every figure: nothing beside the table says which they are. Put the "
        "export’s participants.csv beside it."
    ]


def _participations(study: Mapping[str, Any]) -> int | None:
    counts = study.get("participations")
    if not isinstance(counts, Mapping):
        return None
    kinds = [one for one in counts.values() if isinstance(one, Mapping)]
    return sum(n for one in kinds for n in one.values() if isinstance(n, int))


def _pooled(rows: pd.DataFrame) -> Iterator[str]:
    """A warning where the table holds several studies, or several versions of one."""
    if "study" in rows.columns and rows["study"].nunique() > 1:
        names = ", ".join(sorted(map(str, rows["study"].unique())))
        yield f"This table holds {rows['study'].nunique()} studies ({names}). {WITHIN}"
    if "study_version" not in rows.columns:
        return
    named = rows["study"] if "study" in rows.columns else pd.Series("", index=rows.index)
    for study, own in rows.groupby(named.rename("pooled"))["study_version"]:
        versions = sorted(map(str, own.unique()))
        if len(versions) > 1:
            of = f" of {study}" if study else ""
            yield f"This table holds versions {' and '.join(versions)}{of}. {WITHIN}"
