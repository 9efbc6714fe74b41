"""How carefully listeners answered: catch trials, repeats, times, straight-lining.

`participations` has one row per participation. A flag marks a participation that a reader should
look at. It excludes nobody; only the plan's rules (`exclusions`) do. The flags and their
rules are those of the site (`studyapp`'s quality flags), computed here from the table alone; the
rule that a study can set, the length of a straight line, is read from its `study.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from analysis.errors import AnalysisError, quote
from analysis.reading.columns import whole
from analysis.reading.companions import clip_seconds, read_study
from analysis.reading.table import CLIP, NO_METHOD, Responses, of_clips

Figures: TypeAlias = "dict[str, pd.Series[Any]]"
"""Name of a column to its values, one for each participation that has one."""

STRAIGHT_LINE = 5
"""With at least this many main answers, "always the same" is a straight line. For tables without a
`study.json`; a study's own number is `quality_rules.straight_line` there."""

RUSHED_SHARE = 0.5
"""Share of main answers faster than the clips' length from which a participation is `rushed`."""

FLAGS = {
    "failed_catch": "failed a catch trial",
    "same_confidence": "the same confidence in all of {line:g} or more main trials",
    "same_position": "the same position chosen in all of {line:g} or more main trials",
    "rushed": "answered at least half of the main trials in less time than the clips last",
    "inconsistent": "chose another label in every repeat",
}
"""Flag to its meaning; `line` is the length of a straight line (`straight_line`)."""


def straight_line(study: Mapping[str, Any] | None) -> float:
    """How many equal main answers make a straight line: the study's rule, else the default."""
    rules = (study or {}).get("quality_rules")
    given = rules.get("straight_line", STRAIGHT_LINE) if isinstance(rules, Mapping) else None
    if given is None:
        return STRAIGHT_LINE
    if isinstance(given, bool) or not isinstance(given, int | float) or not given >= 2:
        raise AnalysisError(
            f"study.json: straight_line is {quote(str(given))}, expected a number of at least 2"
        )
    return given


def participations(responses: Responses, folder: Path | None = None) -> pd.DataFrame:
    """One row per participation of a counted status, with its figures and flags.

    A figure that the table cannot give has no column; without catch trials, for example, there are
    no columns about them.
    `folder` holds the table's companions: `stimuli.csv` gives the clips' lengths, `study.json` the
    study's own rules.
    """
    line = straight_line(None if folder is None else read_study(folder))
    rows = counted(responses)
    main = rows[_kind(rows, "main")]
    table = pd.DataFrame({"main_trials": main.groupby("participation").size()})
    table.insert(0, "method", main.groupby("participation")["method"].agg(_all_of))
    for column, values in {
        **_catch(rows),
        **_repeats(rows),
        **_lines(main, line),
        **_times(main, folder),
    }.items():
        table[column] = values.reindex(table.index)
    return table.sort_index().reset_index()


def flag_counts(table: pd.DataFrame) -> dict[str, dict[str, tuple[int, int]]]:
    """Each flag that the table can judge: per method, (flagged, judged) participations."""
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for flag in FLAGS:
        if flag in table.columns:
            judged = table[table[flag].notna()]
            found[flag] = {
                str(method): (int(group[flag].astype(bool).sum()), len(group))
                for method, group in judged.groupby("method", sort=True)
            }
    return found


def counted(responses: Responses) -> pd.DataFrame:
    """The rows of participations whose status enters the estimates."""
    rows = responses.rows
    if "participation_status" in rows.columns:
        rows = rows[rows["participation_status"].isin(responses.statuses)]
    return rows


def _kind(rows: pd.DataFrame, kind: str) -> pd.Series[bool]:
    if "kind" not in rows.columns:
        return pd.Series(kind == "main", index=rows.index)
    return rows["kind"] == kind


def _all_of(methods: pd.Series[str]) -> str:
    return " + ".join(sorted({method or NO_METHOD for method in methods}))


def passed(rows: pd.DataFrame) -> pd.Series[bool] | None:
    """Whether each catch trial was passed: the target was chosen, else the label of rank 1.

    None where the table tells neither.
    """
    placed = {"target_position", "chosen_position"} <= set(rows.columns)
    if placed and (rows["target_position"] != "").all():
        return _numbers(rows["target_position"]) == _numbers(rows["chosen_position"])
    if "chosen_rank" in rows.columns:
        return _numbers(rows["chosen_rank"]) == 1
    return None


def _catch(rows: pd.DataFrame) -> Figures:
    catch = rows[_kind(rows, "catch")]
    right = passed(catch) if len(catch) else None
    if right is None:
        return {}
    by = right.astype(float).groupby(catch["participation"])
    return {
        "catch_trials": by.size().astype(float),
        "catch_passed": by.sum(),
        "failed_catch": by.min() < 1,
    }


def repeat_pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per repeat, with the answers to the main trial that it repeats (`*_first`)."""
    repeats = rows[_kind(rows, "repeat")]
    if repeats.empty or "repeat_of" not in rows.columns:
        return repeats.iloc[:0]
    main = rows[_kind(rows, "main")]
    choice = _choices(rows)
    columns = [] if choice is None else ["choice"]
    if choice is not None:
        main, repeats = (f.assign(choice=choice.reindex(f.index)) for f in (main, repeats))
    first = main.assign(trial_number=_numbers(main["trial"]))[
        ["participation", "trial_number", "rating", *columns]
    ]
    pairs = repeats.assign(trial_number=_numbers(repeats["repeat_of"])).merge(
        first, on=["participation", "trial_number"], suffixes=("", "_first")
    )
    pairs = pairs[(pairs["rating"] > 0) & (pairs["rating_first"] > 0)]
    pairs = pairs.assign(same_confidence=pairs["rating"] == pairs["rating_first"])
    for column in columns:
        pairs = pairs.assign(same_choice=pairs[column] == pairs[f"{column}_first"])
    return pairs.reset_index(drop=True)


def _choices(rows: pd.DataFrame) -> pd.Series[str] | None:
    """What was chosen: a label, or in pairs and intruder trials a clip, wherever it was shown.

    None where the table does not tell labels apart, and has no other trials.
    """
    named = [rows[c] for c in ("chosen_label", "chosen_rank") if c in rows.columns]
    if not named and not of_clips(rows).any():
        return None
    label = named[0] if named else pd.Series("", index=rows.index, dtype=object)
    return label.where(~of_clips(rows), _chosen_clip(rows))


def _chosen_clip(rows: pd.DataFrame) -> pd.Series[str]:
    """The clip at the chosen position; empty where none was chosen."""
    found = pd.Series("", index=rows.index, dtype=object)
    if "chosen_position" in rows.columns:
        for column in (c for c in rows.columns if CLIP.fullmatch(c)):
            here = rows["chosen_position"].map(whole) == whole(column.removeprefix("clip_"))
            found = found.where(~here, rows[column])
    return found


def _numbers(cells: pd.Series[str]) -> pd.Series[float]:
    """Whole numbers as floats, NaN where a cell is empty."""
    return cells.map(whole).astype(float)


def _repeats(rows: pd.DataFrame) -> Figures:
    pairs = repeat_pairs(rows)
    if pairs.empty or "same_choice" not in pairs.columns:
        return {}
    by = pairs["same_choice"].astype(float).groupby(pairs["participation"])
    return {
        "repeats": by.size().astype(float),
        "repeats_same_choice": by.sum(),
        "inconsistent": by.max() < 1,
    }


def _lines(main: pd.DataFrame, line: float) -> Figures:
    rated = main[main["rating"] > 0]
    found: Figures = {"same_confidence": _straight(rated, "rating", line)}
    if "chosen_position" in main.columns:
        chosen = main[main["chosen_position"] != ""]
        found["same_position"] = _straight(chosen, "chosen_position", line)
    return found


def _straight(rows: pd.DataFrame, column: str, line: float) -> pd.Series[bool]:
    by = rows.groupby("participation")[column]
    return (by.nunique() == 1) & (by.size() >= line)


def _times(main: pd.DataFrame, folder: Path | None) -> Figures:
    if "response_ms" not in main.columns:
        return {}
    timed = main[main["response_ms"] != ""]
    if timed.empty:
        return {}
    ms = _numbers(timed["response_ms"])
    found: Figures = {"median_response_ms": ms.groupby(timed["participation"]).median()}
    lengths = _lengths(timed, folder)
    if lengths is not None:
        fast = (ms < lengths).astype(float).groupby(timed["participation"]).mean()
        found["share_under_clip_length"] = fast
        found["rushed"] = fast >= RUSHED_SHARE
    return found


def _lengths(timed: pd.DataFrame, folder: Path | None) -> pd.Series[float] | None:
    """Milliseconds that each trial's clips last together; None unless all are known.

    A pair has two clips, an intruder trial five, every other trial three.
    """
    clips = [column for column in timed.columns if CLIP.fullmatch(column)]
    if folder is None or not {"clip_1", "clip_2", "clip_3"} <= set(clips):
        return None
    seconds = clip_seconds(folder)
    if seconds is None:
        return None
    total = sum(
        (timed[clip].map(seconds | {"": 0.0}).astype(float) for clip in clips),
        start=pd.Series(0.0, index=timed.index),
    )
    return None if (total.isna() | (total == 0)).any() else 1000 * total
