"""Texts and numbers as the page and the figures show them: safe, on one line, rounded.

Only the page and the figures round; files have the numbers in full.
"""

from __future__ import annotations

import html
import re
import unicodedata
from itertools import takewhile

from analysis.estimates.results import NOT_ESTIMABLE, Estimate

MINUS = "−"


def clean(value: str) -> str:
    """A text from the table without control characters, which HTML and SVG do not allow."""
    spaced = value.replace("\x1f", " · ")
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cs", "Cn", "Cf") else c
        for c in spaced
    )


def escape(value: str) -> str:
    """A cleaned text as HTML."""
    return html.escape(clean(value), quote=True)


STARTS_A_FORMULA = frozenset("=+-@|%＝＋－＠｜％")
CELL = re.compile(
    r"([;\r\n][\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]*)(?=[=+\-@|%＝＋－＠｜％])"
)
"""Start of a cell within a text, for spreadsheets that separate cells by semicolons, as they do in
countries with decimal commas, regardless of the quotation marks around the text."""


def spreadsheet_safe(value: str) -> str:
    """The text with a leading apostrophe where a spreadsheet would take it for a formula.

    Blank and invisible characters before the sign are skipped, and full-width signs count too.
    """
    blank = "".join(takewhile(_is_blank, value))
    rest = value[len(blank) :]
    safe = blank + CELL.sub(r"\1'", rest)
    return f"'{safe}" if rest[:1] in STARTS_A_FORMULA or blank.strip(" \u00a0") else safe


def _is_blank(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) in ("Cc", "Cf")


def number(value: float, digits: int = 2) -> str:
    """A rounded number with a true minus sign."""
    shown = f"{value:.{digits}f}"
    if float(shown) == 0:
        shown = shown.lstrip("-")
    return shown.replace("-", MINUS)


def percent(value: float, digits: int = 1) -> str:
    """A share in per cent."""
    return f"{number(100 * value, digits)} %"


def shown(value: float, unit: str, comparison: bool = False) -> str:
    """A value in its unit."""
    if unit == "share":
        return number(100 * value, 1) if comparison else percent(value)
    return number(value, 3 if unit == "coefficient" else 2)


def interval(estimate: Estimate, brackets: str = "[]") -> str:
    """The interval as shown, or nothing."""
    if estimate.low is None or estimate.high is None:
        return ""
    scale = 100 if estimate.unit == "share" else 1
    digits = {"share": 1, "coefficient": 3}.get(estimate.unit, 2)
    low, high = number(scale * estimate.low, digits), number(scale * estimate.high, digits)
    return f"{brackets[0]}{low}, {high}{brackets[1]}"


def value(estimate: Estimate) -> str:
    """The value as shown, or "Not estimable"."""
    if estimate.value is None:
        return NOT_ESTIMABLE
    comparison = MINUS in estimate.method and estimate.name.startswith("difference")
    text = shown(estimate.value, estimate.unit, comparison)
    return f"{text} points" if comparison and estimate.unit == "share" else text


def p_value(p: float) -> str:
    """A p-value with three digits, "< 0.001" below."""
    return "&lt;&nbsp;0.001" if p < 0.001 else number(p, 3)
