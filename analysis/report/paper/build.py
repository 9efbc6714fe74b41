"""The folder of `--paper`: what a paper's author takes from the report.

`tables/` (every table, as LaTeX and CSV), `figures/` (as SVG and PDF), `methods.tex` and
`methods.txt` (a methods section with the study's numbers), `references.bib`, and `README.txt`. The
same report gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from analysis.errors import AnalysisError
from analysis.estimates.results import Summary
from analysis.report import page
from analysis.report.about.latex import tex
from analysis.report.about.paste import sections_of
from analysis.report.figures import Figure
from analysis.report.paper import tables
from analysis.report.paper.references import bibtex, used
from analysis.report.text import clean

MADE_BY = "Made by python -m analysis --paper"
README = """\
{made_by} from {table} (SHA-256 {digest}).

tables/     every table of the report, as LaTeX (needs booktabs) and as CSV, rounded as printed
figures/    every figure, as SVG and as PDF
methods.tex, methods.txt    a methods section with the study's numbers; square brackets mark what
            no file of the study says (not for ratings on another scale than 1 to 5)
references.bib    the methods that the report used

Unrounded numbers are in the report's estimates.csv and tests.csv. Everything here is replaced when
it is made again. Check every reference against its source before printing it.
"""


def check(folder: Path, report: Path) -> None:
    """Raise `AnalysisError` if writing into `folder` could delete what somebody else put there."""
    if folder.resolve() == report.resolve():
        raise AnalysisError(f"--paper {folder.name}: is the report's folder; name another")
    readme = folder / "README.txt"
    known = readme.is_file() and readme.read_bytes().startswith(MADE_BY.encode())
    if folder.is_dir() and any(folder.iterdir()) and not known:
        raise AnalysisError(
            f"--paper {folder.name}: holds files that this command did not make; name a new folder"
        )


def files(
    summary: Summary,
    report: Mapping[str, str],
    drawings: Sequence[Figure],
    pdfs: Mapping[str, bytes],
) -> dict[str, str | bytes]:
    """Every file of the folder: its path and its content; `report` holds those of the report."""
    made: dict[str, str | bytes] = dict(tables.files(report["report.html"]))
    for drawing in drawings:
        made[f"figures/{drawing.name}.svg"] = page.standalone(drawing)
        made[f"figures/{drawing.name}.pdf"] = pdfs[drawing.name]
    if "methods.txt" in report:
        made["methods.txt"] = report["methods.txt"]
        made["methods.tex"] = _methods(summary)
    made["references.bib"] = bibtex(summary)
    made["README.txt"] = README.format(
        made_by=MADE_BY, table=clean(summary.table), digest=summary.table_sha256
    )
    return made


def _methods(summary: Summary) -> str:
    """The methods section as LaTeX; it cites every entry of `references.bib`."""
    parts = [f"\\paragraph{{{tex(name)}.}} {tex(text)}" for name, text in sections_of(summary)]
    cites = f"\\nocite{{{','.join(one.key for one in used(summary))}}}"
    return "\n\n".join([*parts, cites]) + "\n"
