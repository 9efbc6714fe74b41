"""`python -m analysis responses.csv --out DIR` makes the report of a responses table.

An option that is not given follows the study's plan, in `study.json` beside the table.

`python -m analysis map FILE` proposes what the columns of any table mean, and `--mapping M` reports
with it.
`python -m analysis design …` plans a study: power, width of the interval, the cheapest design;
`python -m analysis design pairs …` plans a study of pairs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.errors import AnalysisError


def _parser() -> argparse.ArgumentParser:
    from analysis.estimates.hypothesis_tests import EQUIVALENCE_BOUND
    from analysis.reading.moderators import MODERATORS
    from analysis.report.settings import RESAMPLES, SEED

    parser = argparse.ArgumentParser(
        prog="python -m analysis", description="Makes the report of a table of responses."
    )
    parser.add_argument("table", type=Path, help="responses.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder of the report")
    parser.add_argument("--seed", type=int, default=None, help=f"default: the plan’s, else {SEED}")
    parser.add_argument(
        "--resamples",
        type=int,
        default=None,
        help=f"bootstrap resamples (default: the plan’s, else {RESAMPLES:,})",
    )
    parser.add_argument(
        "--compare",
        nargs=2,
        metavar=("A", "B"),
        default=None,
        help="compare only A − B (default: the plan’s comparisons, then all other pairs)",
    )
    parser.add_argument(
        "--status",
        nargs="+",
        default=None,
        metavar="STATUS",
        help="participation statuses that enter the estimates (default: the plan’s, else complete)",
    )
    parser.add_argument(
        "--equivalence",
        type=float,
        default=None,
        metavar="STEPS",
        help="steps of the scale within which two means count as equivalent "
        f"(default: the plan’s, else {EQUIVALENCE_BOUND:g})",
    )
    parser.add_argument(
        "--exclusions",
        type=Path,
        default=None,
        metavar="RULES.json",
        help="exclusion rules that replace the plan’s (reported as a deviation)",
    )
    parser.add_argument(
        "--embeddings",
        type=Path,
        default=None,
        metavar="VECTORS.jsonl",
        help='vectors of free texts and labels, one {"text": …, "vector": […]} per line',
    )
    parser.add_argument(
        "--embed-command",
        default=None,
        metavar="COMMAND",
        help="a command that reads texts, one JSON string per line, and writes their vectors, one "
        "JSON list per line",
    )
    parser.add_argument(
        "--mapping",
        type=Path,
        default=None,
        metavar="M.toml",
        help="what the columns of another platform’s table mean (made by `map FILE`)",
    )
    parser.add_argument(
        "--moderators",
        nargs="+",
        choices=tuple(MODERATORS),
        default=(),
        help="exploratory models of what goes with higher or lower ratings",
    )
    parser.add_argument(
        "--paper",
        type=Path,
        default=None,
        metavar="DIR",
        help="a folder for a paper: every table as LaTeX and CSV, figures as SVG and PDF, a "
        "methods section, BibTeX of the methods used",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, or 2 after one line that says why it could not be done."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if words[:1] == ["design"]:
            return _design(words[1:])
        return _map(words[1:]) if words[:1] == ["map"] else _report(words)
    except AnalysisError as error:
        print(f"analysis: {error}", file=sys.stderr)
        return 2


def _design(words: Sequence[str]) -> int:
    from analysis.design import run, run_pairs

    print(run_pairs(words[1:]) if words[:1] == ["pairs"] else run(words))
    return 0


def _map(words: Sequence[str]) -> int:
    from analysis.reading.mapping.mapping import as_toml
    from analysis.reading.mapping.propose import propose
    from analysis.reading.mapping.tables import read_table

    parser = argparse.ArgumentParser(
        prog="python -m analysis map",
        description="Proposes what each column of a table is, in a file to check and edit.",
    )
    parser.add_argument("table", type=Path, help="a CSV or JSON file")
    parser.add_argument("--out", type=Path, default=None, help="default: TABLE.mapping.toml")
    given = parser.parse_args(words)
    out = given.out or given.table.with_name(f"{given.table.stem}.mapping.toml")
    if out.exists():
        raise AnalysisError(f"{out.name} exists, and may have been edited: name another --out")
    table = read_table(given.table)
    text = as_toml(*propose(table))
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise AnalysisError(f"{out.name}: {(error.strerror or 'not written').lower()}") from error
    print(
        f"{text}\n{out}: check it, then: python -m analysis {given.table} --mapping {out} --out …"
    )
    return 0


def _report(words: Sequence[str]) -> int:
    given = _parser().parse_args(words)
    from analysis.report import build_report

    summary = build_report(
        given.table,
        given.out,
        seed=given.seed,
        resamples=given.resamples,
        compare=tuple(given.compare) if given.compare else None,
        statuses=given.status,
        bound=given.equivalence,
        exclusions=given.exclusions,
        embeddings=given.embeddings,
        embed_command=given.embed_command,
        moderators=given.moderators,
        mapping=given.mapping,
        paper=given.paper,
    )
    for warning in summary.warnings:
        print(f"analysis: note: {warning}", file=sys.stderr)
    print(
        f"{given.out / 'report.html'}: {summary.accounting['n_ratings']} ratings, "
        f"{len(summary.methods)} methods"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
