"""Every table of the report's page, as LaTeX (booktabs) and as CSV, with the numbers as printed.

The page is read back, so that no table can be on the page and not in the folder. Unrounded numbers
are in the report's `estimates.csv`, `tests.csv` and `tables/`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

from analysis.report.about.latex import tex

NUMBER = re.compile(r"Table \d+\. ")
"""What a caption of the page begins with; a paper numbers its own tables."""
LONGEST_NAME = 60
"""Of a file's stem, characters."""


@dataclass
class Table:
    """One table: its caption, and its rows of texts, the head first."""

    caption: str = ""
    rows: list[list[str]] = field(default_factory=list)
    texts: set[int] = field(default_factory=lambda: {0})
    """Columns that hold texts: their cells have no class `n`."""


class _Reader(HTMLParser):
    """Collects the tables of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[Table] = []
        self._into = ""
        self._words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append(Table())
        elif tag == "tr" and self.tables:
            self.tables[-1].rows.append([])
        elif tag in ("td", "th", "caption"):
            self._into, self._words = tag, []
            if tag == "td" and "n" not in (dict(attrs).get("class") or "").split():
                self.tables[-1].texts.add(len(self.tables[-1].rows[-1]))
        elif "under" in (dict(attrs).get("class") or ""):
            self._words.append("; ")  # a line of its own on the page
        else:
            self._words.append(" ")

    def handle_data(self, data: str) -> None:
        if self._into:
            self._words.append(data)

    def handle_endtag(self, tag: str) -> None:
        if not self._into or tag != self._into:
            return
        text = " ".join("".join(self._words).split()).strip("; ").replace(" ;", ";")
        if tag == "caption":
            self.tables[-1].caption = NUMBER.sub("", text)
        else:
            self.tables[-1].rows[-1].append(text)
        self._into = ""


def tables_in(page: str) -> list[Table]:
    """The tables of a page that have rows, in order."""
    reader = _Reader()
    reader.feed(page)
    return [table for table in reader.tables if len(table.rows) > 1]


def files(page: str) -> Iterator[tuple[str, str]]:
    """Path and text of each table's two files, numbered in the order of the page."""
    for place, table in enumerate(tables_in(page), start=1):
        name = f"{place:02d}-{_slug(table.caption)}"
        yield f"tables/{name}.csv", _csv(table)
        yield f"tables/{name}.tex", _latex(table, name)


def _slug(caption: str) -> str:
    """The first words of a caption, for a file's name."""
    first = re.split(r"[.,;:(]", caption)[0]
    words = re.sub(r"[^a-z0-9]+", "-", first.casefold()).strip("-")
    return words[:LONGEST_NAME].strip("-") or "table"


def _csv(table: Table) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows(table.rows)
    return buffer.getvalue()


def _latex(table: Table, label: str) -> str:
    """A table whose columns of numbers are set flush right."""
    columns = max(map(len, table.rows))
    form = "".join("l" if column in table.texts else "r" for column in range(columns))
    head, *body = [
        " & ".join(map(tex, [*row, *[""] * (columns - len(row))])) + r" \\" for row in table.rows
    ]
    return "\n".join(
        [
            "% Needs \\usepackage{booktabs}.",
            r"\begin{table}",
            r"\centering",
            f"\\caption{{{tex(table.caption)}}}",
            f"\\label{{tab:{label}}}",
            f"\\begin{{tabular}}{{{form}}}",
            r"\toprule",
            head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )
