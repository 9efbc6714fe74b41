"""`python -m pipeline paper`: writes page, tables and figures into a folder, all or nothing."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.paper import figures, page, sections
from pipeline.paper.clap import is_control, thresholds
from pipeline.paper.counts import Count, layout
from pipeline.paper.drawing import Figure
from pipeline.paper.intervals import KIND
from pipeline.paper.latex import table_1
from pipeline.paper.layer_probe import PERMUTATIONS, Probe
from pipeline.paper.methods import methods_text
from pipeline.paper.results import Results, compute
from pipeline.paper.sweep import runs_in
from pipeline.paper.table_2 import Steered
from pipeline.progress import Progress
from pipeline.store.run_directory import RunPlace

PAGE = "paper.html"
OWN_FOLDERS = ("figures", "tables")
"""Folders that are replaced as a whole when the report is made again."""
OWN_FILES = re.compile(r"(figure_\d\w*|table_\d|layer_probe)\.(svg|pdf|csv|tex)")
"""What lies in them; a folder that holds anything else is somebody else's."""


def build(
    places: Sequence[RunPlace],
    out: Path,
    *,
    probe: bool,
    progress: Progress,
    permutations: int = PERMUTATIONS,
) -> Path:
    """Write everything under `out` and return the page's path.

    Raises `PipelineError` before anything is written if the runs cannot be joined, if `out` is a
    file or lies in one of them (only a run's own stages write there), or if a folder that would be
    replaced holds other files.
    """
    _refuse_inside(places, out)
    _refuse_others(out)
    results = compute(places, probe=probe, progress=progress, permutations=permutations)
    _write_all(out, files(results))
    return out / PAGE


def files(results: Results) -> dict[str, bytes]:
    """Every file, by its path in the folder."""
    drawn = draw(results)
    found: dict[str, bytes] = {f"tables/{name}": as_csv(rows) for name, rows in tables(results)}
    found["tables/table_1.tex"] = table_1(layout(results.counts)).encode()
    found["methods.txt"] = (methods_text(results) + "\n").encode()
    for drawing in drawn:
        found[f"figures/{drawing.name}.svg"] = page.standalone(drawing).encode()
        found[f"figures/{drawing.name}.pdf"] = drawing.pdf
    content = sections.body(results, drawn, sorted(found))
    found[PAGE] = page.page(sections.TITLE, content).encode()
    return found


def draw(results: Results) -> list[Figure]:
    """The figures that these runs have, in the order of the page."""
    drawn = [figures.figure_7(results.counts)]
    if results.cells:
        drawn.append(figures.figure_3(results.cells, KIND))
        drawn.append(figures.figure_4(results.best, thresholds(results.best)))
    _, low, high = results.filter.filter
    for number, model in enumerate(results.sweep.models, start=1):
        own = [one for one in results.prevalence if one.sae.model == model]
        drawn.append(figures.figure_6(model, number, own, (low, high)))
    if results.captioners:
        drawn.append(figures.figure_8(results.captioners, KIND))
        drawn.append(figures.figure_9(results.ecdfs))
    return drawn


Row = Mapping[str, Any]


def tables(results: Results) -> Iterable[tuple[str, list[Row]]]:
    """Every CSV file: its name and rows, unrounded. A table without rows is not written."""
    made: dict[str, list[Row]] = {
        "table_1.csv": _counts(results.counts),
        "figure_3.csv": _cells(results.cells),
        "figure_4.csv": _coverage(results),
        "figure_6.csv": _clouds(results),
        "figure_6_dots.csv": _dots(results),
        "figure_8.csv": _cells(results.captioners),
        "figure_9.csv": _ecdf(results),
        "table_2.csv": [_steered(row) for row in results.steered],
        "layer_probe.csv": [_probe(row) for row in results.probes],
    }
    return [(name, rows) for name, rows in made.items() if rows]


def _counts(found: Sequence[Count]) -> list[Row]:
    """One row per SAE. `most_of_layer` marks the numbers that Table 1 prints in bold."""
    laid = layout(found)
    bold = {
        (row, column)
        for row, marks in zip(laid.rows, laid.largest, strict=True)
        for column, mark in zip(laid.columns, marks, strict=True)
        if mark
    }
    return [
        {**asdict(c), "most_of_layer": ((c.expansion, c.k), (c.model, c.layer)) in bold}
        for c in found
    ]


def _cells(cells: Iterable[Any]) -> list[Row]:
    return [
        {
            "model": c.model, "layer": c.layer, "method": c.method,
            "control": is_control(c.method), "mean": c.mean.value, "low": c.mean.low,
            "high": c.mean.high, "features": c.mean.features, "labels": c.labels,
            "interval": c.mean.interval,
        }
        for c in cells
    ]  # fmt: skip


def _coverage(results: Results) -> list[Row]:
    if not results.best:
        return []
    return [
        {
            "model": one.model, "method": one.method, "threshold": float(value),
            "coverage": one.coverage(float(value)), "kept": one.kept,
            "features": len(one.values), "labels_per_feature": one.labels,
        }
        for one in results.best
        for value in thresholds(results.best)
    ]  # fmt: skip


def _clouds(results: Results) -> list[Row]:
    return [
        {
            "model": p.sae.model, "sae": p.sae.name, "layer": p.sae.layer,
            "expansion": p.sae.expansion, "k": p.sae.k, "firing": p.firing, "silent": p.silent,
            "spearman_rate_max_activation": p.spearman_max,
            "spearman_rate_mean_activation": p.spearman_mean,
        }
        for p in results.prevalence
    ]  # fmt: skip


def _dots(results: Results) -> list[Row]:
    return [
        {"model": p.sae.model, "sae": p.sae.name, **asdict(dot)}
        for p in results.prevalence
        for dot in p.dots
    ]


def _ecdf(results: Results) -> list[Row]:
    return [
        {
            "model": one.model, "method": one.method, "score": float(value),
            "share": (place + 1) / len(one.values),
        }
        for one in results.ecdfs
        for place, value in enumerate(one.values)
    ]  # fmt: skip


def _steered(row: Steered) -> Row:
    own = asdict(row)
    found = own.pop("found")
    return {**own, **found}


def _probe(row: Probe) -> Row:
    values = {field.name: getattr(row, field.name) for field in fields(row)}
    return {name: "|".join(v) if isinstance(v, tuple) else v for name, v in values.items()}


def as_csv(rows: Sequence[Row]) -> bytes:
    """RFC 4180, UTF-8; an empty cell for what is not known."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(rows[0]))
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return stream.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else value


def _refuse_inside(places: Sequence[RunPlace], out: Path) -> None:
    where = out.resolve()
    for run in (run for place in places for run in runs_in(place)):
        if where.is_relative_to(run.path):
            raise PipelineError(f"--out {out} lies in the run {run}: give a folder outside it")
    if out.exists() and not out.is_dir():
        raise PipelineError(f"--out {out} is a file; it must be a folder")


def _refuse_others(out: Path) -> None:
    """Raise `PipelineError` if a folder of `OWN_FOLDERS` holds what no report writes."""
    for folder in OWN_FOLDERS:
        for entry in sorted((out / folder).glob("*")):
            hidden = entry.name.startswith(".")  # a file manager's
            if entry.is_dir() or not (hidden or OWN_FILES.fullmatch(entry.name)):
                raise PipelineError(
                    f"--out {out}: its folder {folder} would be replaced as a whole, but holds "
                    f"{entry.name}, which is no part of a report: give another folder"
                )


def _write_all(out: Path, found: Mapping[str, bytes]) -> None:
    """Written beside `out` first, then moved into it; other files in `out` are not touched."""
    made: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        for relative, data in found.items():
            path = made / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        out.mkdir(exist_ok=True)
        for folder in OWN_FOLDERS:
            shutil.rmtree(out / folder, ignore_errors=True)
        for entry in sorted(made.iterdir()):
            os.replace(entry, out / entry.name)
    except OSError as error:
        raise PipelineError(f"{out} cannot be written: {error.strerror}") from error
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)
