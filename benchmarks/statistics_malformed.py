"""Malformed, partial and hostile tables: each gives one clear line or a report, never a traceback.

    python -m benchmarks.statistics_malformed [--tables 10000] [--seed 0]

A small valid table is mutated one to four times: columns dropped, duplicated, renamed; cells
replaced by values that are not allowed; bytes cut, flipped, spliced; companion files without valid
JSON or numbers.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from analysis.errors import AnalysisError
from analysis.models.rscript import r_files
from analysis.report.analyse import analyse
from analysis.report.sections import report
from analysis.report.settings import Settings

Table = list[list[str]]
CELLS = (
    "",
    " ",
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "-1",
    "4.0",
    "4.5",
    "NaN",
    "inf",
    "1e9",
    "9" * 40,
    "=1+1",
    "<script>alert(1)</script>",
    "‮",
    "𝟒",
    "🎵",
    "a\nb",
    '"',
    "'; DROP TABLE",
    "$x^2$",
    "\\",
    "None",
    "TRUE",
    "main",
    "catch",
    "repeat",
    "complete",
    "active",
    "returned",
    "\x07",
    "x" * 999,
    "2026-11-20T18:00:00Z",
    "a,b",
    "٤",
    "1_000",
)
HEADERS = (
    "kind",
    "participation_status",
    "run",
    "chosen_label",
    "chosen_rank",
    "chosen_position",
    "target_position",
    "response_ms",
    "hidden_ms",
    "repeat_of",
    "shown_at",
    "flags",
    "rating",
    "row",
    "option_1",
    "option_rank_1",
    "method",
    "",
    "Confidence",
    "clip_1",
    "free_text",
    "option_source_1",
    "answered_at",
)


def good(rng: random.Random) -> Table:
    """A table of one to three methods, a few participants each, sometimes with more columns."""
    methods = rng.choice((["a"], ["a", "b"], ["a", "b"], ["x y", "ß", "c"]))
    extra = rng.choice(
        (
            [],
            [],
            ["kind"],
            ["kind", "participation_status"],
            ["chosen_label", "chosen_rank"],
            ["kind", "chosen_rank", "repeat_of"],
            ["free_text", "chosen_label"],
        )
    )
    table: Table = [["participation", "method", "feature", "trial", "confidence", *extra]]
    steps = rng.choice(("12345", "45", "3", "15"))
    for method in methods:
        for person in range(rng.choice((1, 2, 3, 9))):
            for trial in range(1, rng.choice((1, 3, 6)) + 1):
                feature = rng.choice((f"f{trial}", f"f{person}-{trial}", "f"))
                table.append(
                    [
                        f"{method}{person}",
                        method,
                        feature,
                        str(trial),
                        rng.choice(steps),
                        *(_extra(rng, name) for name in extra),
                    ]
                )
    return table


def _extra(rng: random.Random, name: str) -> str:
    values = {
        "kind": ["main"] * 6 + ["catch", "repeat"],
        "participation_status": ["complete"] * 5 + ["active"],
        "chosen_label": ["piano", "drums", ""],
        "free_text": ["piano", "a Piano!", "…", "", "drum loop"],
        "chosen_rank": ["1", "2", "5", ""],
        "repeat_of": ["", "1"],
    }
    return rng.choice(values[name])


def _cell(rng: random.Random, table: Table) -> None:
    row = rng.choice(table[1:] or table)
    if row:
        row[rng.randrange(len(row))] = rng.choice(CELLS)


def _column(rng: random.Random, table: Table) -> None:
    name, value = rng.choice(HEADERS), rng.choice(CELLS)
    table[0].append(name)
    for row in table[1:]:
        row.append(value if rng.random() < 0.7 else rng.choice(CELLS))


def _whole_column(rng: random.Random, table: Table) -> None:
    place, value = rng.randrange(max(1, len(table[0]))), rng.choice(CELLS)
    for row in table[1:]:
        if place < len(row):
            row[place] = value


def _drop_column(rng: random.Random, table: Table) -> None:
    place = rng.randrange(max(1, len(table[0])))
    for row in table:
        del row[place : place + 1]


def _drop_cell(rng: random.Random, table: Table) -> None:
    rng.choice(table)[:1] = []


def _double_row(rng: random.Random, table: Table) -> None:
    table.append(list(rng.choice(table)))


def _shuffle(rng: random.Random, table: Table) -> None:
    order = list(range(len(table[0])))
    rng.shuffle(order)
    for i, row in enumerate(table):
        table[i] = [row[j] for j in order if j < len(row)]


def _rename(rng: random.Random, table: Table) -> None:
    if table[0]:
        table[0][rng.randrange(len(table[0]))] = rng.choice(HEADERS)


def _empty(rng: random.Random, table: Table) -> None:
    del table[rng.choice((0, 1)) :]


MUTATIONS: tuple[Callable[[random.Random, Table], None], ...] = (
    _cell,
    _cell,
    _cell,
    _cell,
    _column,
    _column,
    _whole_column,
    _drop_column,
    _drop_cell,
    _double_row,
    _shuffle,
    _rename,
    _empty,
)


def _bytes(rng: random.Random, data: bytes) -> bytes:
    """Damage below the level of cells, sometimes."""
    damage = rng.randrange(30)
    at = rng.randrange(len(data) + 1)
    if damage == 0:
        return data[:at]
    if damage == 1:
        return data[:at] + bytes(rng.randrange(256) for _ in range(3)) + data[at:]
    if damage == 2:
        return b"\xef\xbb\xbf" + data
    if damage == 3:
        return data.replace(b",", rng.choice((b";", b"\t", b",,")))
    if damage == 4:
        return data.replace(b"\r\n", rng.choice((b"\n", b"\r", b"\n\n")))
    if damage == 5:
        return data[:at] + rng.choice((b'"', b"\0", b"\r", b"\n")) + data[at:]
    return data


def write_case(folder: Path, seed: int) -> Path:
    """One malformed table under `folder`, sometimes with companions; the same for the same seed."""
    rng = random.Random(seed)
    table = good(rng)
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        rng.choice(MUTATIONS)(rng, table)
        if not table:
            break
    text = io.StringIO(newline="")
    csv.writer(text).writerows(table)
    path = folder / "responses.csv"
    path.write_bytes(_bytes(rng, text.getvalue().encode()))
    if rng.random() < 0.15:
        choices: tuple[object, ...] = (
            {"min_response_ms": 5},
            {"mood": []},
            [1],
            "x",
            {"same_confidence": "?"},
            {"max_failed_catch": 0},
        )
        plans: tuple[object, ...] = (
            {},
            [],
            {"comparisons": [["b", "a"]], "seed": 3},
            {"comparisons": [["a", "z"]], "confirmatory": ["welch_participant_means"]},
            {"equivalence_bound": 0, "text": "<b>"},
            {"statuses": ["complete", "active"], "alpha": 0.01},
            {"resamples": "many"},
        )
        study: dict[str, object] = {
            "exclusion_rules": rng.choice(choices),
            "analysis_plan": rng.choice(plans),
        }
        if rng.random() < 0.5:
            study["frozen_at"] = rng.choice(("", "soon", 5, "2027-01-01T00:00:00Z"))
        plan = json.dumps(study)
        (folder / "study.json").write_text(plan[: rng.choice((3, 999))])
    if rng.random() < 0.15:
        value = rng.choice(("0.4", "high", "", "nan", "-3"))
        (folder / "labels.csv").write_text(
            f"feature,method,rank,confidence,clap\nf1,a,1,{value},0.2\nf,b,{value},0.3,1\n"
        )
    return path


def outcome(path: Path) -> str:
    """`report`, or the one line with which the table is refused."""
    try:
        analysis = analyse(path, Settings(resamples=100))
    except AnalysisError as error:
        line = str(error)
        if not line or "\n" in line or len(line) > 1000:
            raise ValueError(f"not one clear line: {line!r}") from error
        return line
    report(analysis, [])
    r_files(analysis.summary, analysis.responses)
    return "report"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    found: Counter[str] = Counter()
    for i in range(given.tables):
        with tempfile.TemporaryDirectory() as folder:
            path = write_case(Path(folder), given.seed + i)
            found["report" if outcome(path) == "report" else "refused in one line"] += 1
    print(
        f"{given.tables} tables: "
        + ", ".join(f"{n} {what}" for what, n in found.items())
        + ", 0 tracebacks"
    )


if __name__ == "__main__":
    main()
