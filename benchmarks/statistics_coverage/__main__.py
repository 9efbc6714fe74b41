"""Measures coverage and false alarms on a grid of designs; prints tables in Markdown.

    python -m benchmarks.statistics_coverage [--part ratings] [--cells all] [--studies 200]
        [--resume FILE] [--processes 2] [--only-print]

Parts: `ratings` (means, shares, differences, their tests), `families` (Holm and BH over three and
five methods), `strata` (differences within two studies in one table), `choices` (identification
and candidates), `scores` (agreement, consensus, repeats, machines' scores, own words), `pairs`
(shares, slopes and strengths of pair trials), `whole` (everything that `analyse` computes, mixed
models included: a balanced fraction of the cells, a tenth of the studies).

Cells: `all`; `fraction`, 32 of the ratings' cells, in which levels meet about equally often;
`border`, those of FILE with a rate beyond its limit, the worst first (`--most` of them).

With `--resume` each batch of studies is a line of FILE, and what is there is not measured again. A
batch's seed is its part, cell and number, so that the same studies are drawn wherever they run.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.statistics_coverage.cells import (
    choice_grid,
    family_cells,
    fraction,
    grid,
    score_cells,
)
from benchmarks.statistics_coverage.choice_forms import measure_choices
from benchmarks.statistics_coverage.closed_forms import measure_families, measure_ratings
from benchmarks.statistics_coverage.pairs import measure_pairs, pair_cells
from benchmarks.statistics_coverage.records import MOST_PROCESSES, Part, Records, run, tasks_of
from benchmarks.statistics_coverage.strata import measure_strata, strata_cells
from benchmarks.statistics_coverage.tables import border, pooled, show
from benchmarks.statistics_coverage.whole import measure_scores, measure_whole, whole_cells

PARTS = (
    Part("ratings", grid, measure_ratings, 25),
    Part("families", family_cells, measure_families, 25),
    Part("strata", strata_cells, measure_strata, 25),
    Part("choices", choice_grid, measure_choices, 10),
    Part("scores", score_cells, measure_scores, 10),
    Part("pairs", pair_cells, measure_pairs, 20),
    Part("whole", whole_cells, measure_whole, 2, share=0.1),
)


def chosen(part: Part, given: argparse.Namespace, records: Records) -> Iterable[Any]:
    """The cells of a part that are asked for."""
    cells = list(part.cells())
    if given.cells == "border":
        named = border(records.tallies.get(part.name, {}))[: given.most]
        by_name = {cell.name: cell for cell in cells}
        return [by_name[name] for name in named]
    if given.cells == "fraction" and part.name == "ratings":
        return list(fraction())
    return cells[: given.most] if given.most else cells


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", nargs="+", choices=[p.name for p in PARTS])
    parser.add_argument("--cells", choices=("all", "fraction", "border"), default="all")
    parser.add_argument("--most", type=int, help="no more cells than this")
    parser.add_argument("--studies", type=int, default=200, help="studies per cell")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", type=Path, help="file of results, read and appended to")
    parser.add_argument("--processes", type=int, default=1, choices=range(1, MOST_PROCESSES + 1))
    parser.add_argument("--only-print", action="store_true", help="measure nothing more")
    parser.add_argument("--pooled", nargs="+", default=(), help="also by structure and place")
    given = parser.parse_args(arguments)
    if given.resume is not None:
        given.resume.parent.mkdir(parents=True, exist_ok=True)
    records = Records.read(given.resume)
    parts = [p for p in PARTS if not given.part or p.name in given.part]
    for part in () if given.only_print else parts:
        studies = max(1, round(part.share * given.studies))
        cells = chosen(part, given, records)
        run(tasks_of(part, cells, studies, given.seed), records, given.resume, given.processes)
    for part in parts:
        if part.name in records.tallies:
            print("\n".join(show(records, part.name)), flush=True)
            for name in given.pooled:
                print(f"\n{name}", *pooled(records, part.name, name), sep="\n")


if __name__ == "__main__":
    main()
