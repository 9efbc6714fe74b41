"""The files of the report.

`build_report` does everything, for the command line and for the site. It writes
`report.html`, `summary.json`, `estimates.csv`, `tests.csv`, tables under `tables/` and as LaTeX
under `latex/`, `methods.txt` (a methods section), `figures/*.svg` and, if mixed models were fitted,
`mixed_models.R`, `choice_models.R` and `bayes_models.R`; with confirmatory tests
`confirmatory_tests.R`; with a dose–response of pairs `dose_models.R`. It returns the `Summary`. The
same table, companions, seed and number of resamples give the same bytes. A table without label
trials has no LaTeX and no methods section.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from analysis.estimates.features import features_table
from analysis.estimates.results import Estimate, HypothesisTest, Summary
from analysis.listeners.free_text import COLUMNS, OwnWords
from analysis.models.rscript import r_files
from analysis.models.rscript_bayes import bayes_files
from analysis.models.rscript_choices import choice_files
from analysis.models.rscript_confirmatory import confirmatory_files
from analysis.pairs.describe import PairResults
from analysis.pairs.intruders import features_table as intruder_table
from analysis.pairs.rscript import dose_files
from analysis.reading.mapping.scales import Scale
from analysis.reading.quality import participations, straight_line
from analysis.reading.table import Responses
from analysis.reading.trial_kinds import kinds_of
from analysis.report import figures, figures_listeners, page, sections
from analysis.report.about.latex import latex_tables
from analysis.report.about.paste import as_text
from analysis.report.analyse import Analysis, Begun, begin, of_begun
from analysis.report.latent_scale.figures import cuts, levels
from analysis.report.output import write_all
from analysis.report.paper import build as paper_build
from analysis.report.scales import build as scale_build
from analysis.report.scales import estimates as scale_estimates
from analysis.report.settings import Settings
from analysis.report.text import spreadsheet_safe
from analysis.report.trial_kinds import build as kinds_build
from analysis.report.trial_kinds import figures as kinds_figures
from analysis.threads import one_thread

LATENT = {"participant": "listeners_severity", "feature": "features_difficulty"}
"""The tables of `latent_levels`."""

Made = tuple[Summary, list[figures.Figure], dict[str, str]]
"""A report: what was estimated, its figures, and its files by path."""


def build_report(
    table_path: Path,
    out: Path,
    *,
    seed: int | None = None,
    resamples: int | None = None,
    compare: tuple[str, str] | None = None,
    statuses: Sequence[str] | None = None,
    bound: float | None = None,
    exclusions: Path | None = None,
    embeddings: Path | None = None,
    embed_command: str | None = None,
    feature_pages: Mapping[str, str] | None = None,
    moderators: Sequence[str] = (),
    mapping: Path | None = None,
    paper: Path | None = None,
) -> Summary:
    """Read the table, compute every estimate, write the report under `out`.

    With `paper`, what a paper's author takes from it is written there too (`report.paper`). An
    argument that is None is as the study's plan says (`study.json`), else the default
    (`Settings`). Raises `AnalysisError`, with one line for the user, before anything is written.
    """
    settings = Settings(
        seed=seed,
        resamples=resamples,
        compare=compare,
        statuses=None if statuses is None else tuple(statuses),
        bound=bound,
        exclusions=exclusions,
        embeddings=embeddings,
        embed_command=embed_command,
        feature_pages=feature_pages or {},
        moderators=tuple(moderators),
        mapping=mapping,
    )
    if paper is not None:
        paper_build.check(paper, out)
    with one_thread(), figures.with_pdfs() as pdfs:
        begun = begin(table_path, settings)
        if begun.read.scale is not None:
            summary, drawings, made = _on_another_scale(begun, begun.read.scale)
        elif begun.of_labels() is None:
            summary, drawings, made = _without_labels(begun)
        else:
            analysis = of_begun(begun, table_path.parent, settings)
            summary, drawings = analysis.summary, draw(analysis)
            made = files(analysis, drawings)
            made |= _of_kinds(begun.excluded.responses, analysis.of_kinds)
    write_all(out, made)
    if paper is not None:
        write_all(paper, paper_build.files(summary, made, drawings, pdfs))
    return summary


def _on_another_scale(begun: Begun, scale: Scale) -> Made:
    summary = scale_estimates.summary_of(begun, scale)
    drawings = scale_build.draw(summary, begun.excluded.responses, scale)
    made = scale_build.files(summary, drawings, scale)
    made["estimates.csv"] = rows_csv(Estimate, summary.estimates)
    made["tests.csv"] = rows_csv(HypothesisTest, summary.tests)
    return summary, drawings, made


def _without_labels(begun: Begun) -> Made:
    """The report of a table of pairs, of intruder trials, or of both."""
    results, read = begun.of_kinds(), begun.read
    summary = kinds_build.summary_of(begun, results, begun.of_kinds(without=True))
    line, drawings = straight_line(begun.study), kinds_figures.drawn(results)
    made = kinds_build.files(summary, results, drawings, line)
    made["estimates.csv"] = rows_csv(Estimate, summary.estimates)
    made["tests.csv"] = rows_csv(HypothesisTest, summary.tests)
    made["tables/participations.csv"] = frame_csv(participations(read, begun.done.folder))
    made |= _of_kinds(begun.excluded.responses, results) | _without(summary)
    return summary, drawings, made


def _of_kinds(responses: Responses, results: PairResults) -> dict[str, str]:
    """The files of pairs and intruder trials; `responses`: the table with all kinds of trials."""
    intruders = kinds_of(responses).intruders
    tables = {} if intruders is None else {"tables/intruders.csv": intruder_table(intruders)}
    return {
        **{path: frame_csv(table) for path, table in tables.items()},
        **dose_files(results.models),
    }


def draw(analysis: Analysis) -> list[figures.Figure]:
    """The figures, in the order of the report."""
    summary = analysis.summary
    means = [summary.find("mean_confidence", ratings.method) for ratings in analysis.methods]
    drawn = [figures.distribution(analysis.methods), figures.means(analysis.methods, means)]
    differences = [
        e for e in summary.estimates if e.name == "difference_mean_confidence" and e.recommended
    ]
    if differences:
        drawn.append(figures.differences(differences))
    drawn += [
        f
        for f in (
            figures_listeners.features(analysis.methods),
            figures_listeners.consensus_of(summary),
        )
        if f
    ]
    drawn += [f for f in (cuts(summary), levels([own for own, _ in analysis.levels])) if f]
    if analysis.points:
        # One figure: CLAP's if there is one, else the first score's.
        name = "clap" if "clap" in analysis.points else next(iter(analysis.points))
        drawn.append(figures_listeners.scores(name, analysis.points[name]))
    if analysis.curves:
        drawn.append(figures.reliability_diagram(analysis.curves))
    return drawn + kinds_figures.drawn(analysis.of_kinds)


def files(analysis: Analysis, drawings: Sequence[figures.Figure]) -> dict[str, str]:
    """Every file of the report: its path in the folder, and its text."""
    summary = analysis.summary
    title, body = sections.report(analysis, drawings)
    text = json.dumps(summary.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
    return {
        "report.html": page.page(title, body),
        "summary.json": text + "\n",
        "estimates.csv": rows_csv(Estimate, summary.estimates),
        "tests.csv": rows_csv(HypothesisTest, summary.tests),
        "tables/participations.csv": frame_csv(analysis.quality),
        "tables/features.csv": frame_csv(features_table(analysis.responses)),
        "methods.txt": as_text(summary),
        **latex_tables(summary, analysis.ranks),
        **_own_names(analysis.own),
        **{f"tables/{LATENT[own.unit]}.csv": frame_csv(table) for own, table in analysis.levels},
        **_without(summary),
        **r_files(summary, analysis.responses),
        **choice_files(summary, analysis.responses),
        **confirmatory_files(summary, analysis.responses, analysis.bound),
        **bayes_files(summary, analysis.responses, analysis.joint, analysis.bound),
        **{f"figures/{drawing.name}.svg": page.standalone(drawing) for drawing in drawings},
    }


def _own_names(own: OwnWords | None) -> dict[str, str]:
    if own is None:
        return {}
    names = own.names[list(COLUMNS)]
    return {
        "tables/free_text.csv": frame_csv(names),
        # The byte order mark tells a spreadsheet that this is UTF-8.
        "tables/free_text.spreadsheet.csv": "\ufeff" + frame_csv(names.map(_safe)),
    }


def _safe(cell: object) -> object:
    return spreadsheet_safe(cell) if isinstance(cell, str) else cell


def _without(summary: Summary) -> dict[str, str]:
    """Every recommended estimate without the exclusions, if they excluded any response."""
    found = summary.without_exclusions
    return {"tables/without_exclusions.csv": rows_csv(Estimate, found)} if found else {}


def rows_csv(kind: type[Estimate | HypothesisTest], rows: Sequence[object]) -> str:
    """One row per record, unrounded; an empty cell for None."""
    names = [field.name for field in dataclasses.fields(kind)]
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(names)
    for item in rows:
        cells = (getattr(item, name) for name in names)
        writer.writerow(["" if cell is None else cell for cell in cells])
    return buffer.getvalue()


def frame_csv(frame: pd.DataFrame) -> str:
    """A frame as CSV, unrounded; an empty cell for a missing value."""
    return str(frame.to_csv(index=False, lineterminator="\r\n"))
