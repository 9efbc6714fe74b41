"""The main tables as LaTeX, for a paper: booktabs, numbers as on the page."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence

from analysis.estimates.results import Estimate, HypothesisTest, Summary
from analysis.reading.people import STEPS
from analysis.report.about.features import end_of
from analysis.report.about.ranked import Ranked
from analysis.report.text import clean, interval, number, p_value, value

ROWS = (
    "mean_confidence",
    "sd_confidence",
    "share_at_least_4",
    "identification_accuracy",
    "identification_chance",
    "identification_corrected",
    "share_first_label",
    "share_first_label_chance",
    "alpha_ordinal",
)
"""Rows of the table of methods."""
DIFFERENCES = (
    "difference_identification_corrected",
    "difference_mean_confidence",
    "difference_share_at_least_4",
    "difference_share_first_label",
    "superiority_ratings",
)
"""Columns of the table of comparisons."""
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "×": r"$\times$",
    "α": r"$\alpha$",
    "ν": r"$\nu$",
    "½": r"$\frac{1}{2}$",
    "′": "$'$",
    "\u00a0": "~",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "’": "'",
    "“": "``",
    "”": "''",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def tex(text: str) -> str:
    """A text for LaTeX: every special character is escaped."""
    return "".join(_SPECIAL.get(character, character) for character in clean(text))


def latex_tables(summary: Summary, ranks: Mapping[str, Sequence[Ranked]]) -> dict[str, str]:
    """The tables, by path; a table without rows is left out."""
    found = {
        "methods": _methods(summary),
        "differences": _differences(summary),
        "tests": _tests(summary),
        "pairs": _of_kind(
            summary, "pair_", "Pairs of sounds: shares of choices, slopes, strengths"
        ),
        "intruders": _of_kind(summary, ("intruder_", "spearman_intruder"), "Intruder trials"),
        "participants": _participants(summary),
        "features": _features(ranks),
    }
    return {f"latex/{name}.tex": text for name, text in found.items() if text}


def _table(
    caption: str, label: str, head: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1
) -> str:
    """A table whose first `texts` columns are texts, the others numbers."""
    if not rows:
        return ""
    lines = [" & ".join(cells) + r" \\" for cells in rows]
    return "\n".join(
        [
            "% Needs \\usepackage{booktabs}.",
            r"\begin{table}",
            f"\\caption{{{caption}}}",
            f"\\label{{tab:{label}}}",
            f"\\begin{{tabular}}{{{'l' * texts}{'r' * (len(head) - texts)}}}",
            r"\toprule",
            " & ".join(head) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _cell(e: Estimate | None) -> str:
    if e is None or e.value is None:
        return "---"
    return tex(f"{value(e)} {interval(e)}".strip())


def _methods(summary: Summary) -> str:
    found = summary.recommended
    rows = []
    for name in ROWS:
        labels = [found[name, m].label for m in summary.methods if (name, m) in found]
        if labels:
            cells = [_cell(found.get((name, m))) for m in summary.methods]
            rows.append([tex(labels[0]), *cells])
    return _table(
        r"Confidence and choices by method, with 95\,\% intervals.",
        "methods",
        ["", *(tex(m) for m in summary.methods)],
        rows,
    )


def _of_kind(summary: Summary, beginning: str | tuple[str, ...], caption: str) -> str:
    """What trials of another kind than labels show; shares by single doses are on the page only."""
    found = {
        key: e
        for key, e in summary.recommended.items()
        if key[0].startswith(beginning) and "_at_" not in key[0]
    }
    methods, names = (list(dict.fromkeys(key[place] for key in found)) for place in (1, 0))
    rows = []
    for name in names:
        own = [found.get((name, method)) for method in methods]
        label = next(e.label for e in own if e is not None)
        rows.append([tex(label), *(_cell(e) for e in own)])
    head = ["", *(tex(method) for method in methods)]
    label = caption.split()[0].lower()
    return _table(rf"{caption}, with 95\,\% intervals.", label, head, rows)


def _differences(summary: Summary) -> str:
    found = summary.recommended
    names = [n for n in DIFFERENCES if any(name == n for name, _ in found)]
    rows = [
        [tex(pair), *(_cell(found.get((name, pair))) for name in names)]
        for pair in (f"{a} − {b}" for a, b in summary.comparisons)
    ]
    labels = {e.name: e.label for e in found.values()}
    return _table(
        r"Differences between methods, with 95\,\% intervals.",
        "differences",
        ["", *(tex(labels[name]) for name in names)],
        rows,
    )


def _tests(summary: Summary) -> str:
    """The confirmatory tests."""
    rows = [[tex(t.method), tex(t.label), *_of_test(t)] for t in summary.confirmatory]
    head = ["", "null hypothesis", "statistic", "$p$", "adjusted $p$"]
    return _table("Confirmatory tests, adjusted by Holm's method.", "tests", head, rows, 2)


def _of_test(t: HypothesisTest) -> list[str]:
    if t.p is None or t.p_adjusted is None:
        return [tex(t.reason), "", ""]
    degrees = f"$t({number(t.df, 1)})={number(t.statistic)}$" if t.df and t.statistic else "---"
    return [degrees.replace("−", "-"), _p(t.p), _p(t.p_adjusted)]


def _p(p: float) -> str:
    return re.sub(r"\\textless\{\}~?", "$<$", tex(html.unescape(p_value(p))))


def _participants(summary: Summary) -> str:
    sample, statuses = summary.sample, ", ".join(summary.accounting["statuses"])
    rows = [
        [
            tex(words.format(statuses=statuses)),
            *(str(of[step]) for of in sample.by_method.values()),
            str(sample.total(step)),
        ]
        for step, words in STEPS.items()
        if sample.known and sample.total(step)
    ]
    head = ["", *(tex(name) for name in sample.by_method), "all"]
    return _table("Participations by method.", "participants", head, rows)


def _features(ranks: Mapping[str, Sequence[Ranked]]) -> str:
    rows = []
    for method, of in ranks.items():
        for kind in ("best", "worst"):
            rows += [
                [
                    tex(method),
                    kind,
                    tex(r.label or r.feature),
                    tex(r.feature),
                    number(r.mean),
                    str(r.n),
                ]
                for r in end_of(of, kind)
            ]
    head = ["method", "", "label", "feature", "mean", "$n$"]
    return _table("Features with the highest and lowest confidence.", "features", head, rows, 4)
