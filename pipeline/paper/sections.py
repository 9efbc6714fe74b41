"""The page's text: what each table and figure shows, beside the paper's numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from pipeline.paper import published
from pipeline.paper.contrast import DIFFERENT, UNKNOWN, Contrast, contrasts, said, tracks
from pipeline.paper.counts import Layout, layout
from pipeline.paper.counts import published as published_table
from pipeline.paper.drawing import Figure, factor, shown
from pipeline.paper.intervals import KIND
from pipeline.paper.latex import spans
from pipeline.paper.layer_probe import FOLDS, Probe
from pipeline.paper.page import escape, figure, folded, framed, heading, paragraph, table
from pipeline.paper.results import Results

TITLE = "The paper’s tables and figures"
SOURCE = "Singh, Cherep and Maes, arXiv 2505.18186"


def body(results: Results, drawn: Sequence[Figure], files: Sequence[str]) -> list[str]:
    """The page's content; `drawn` are the figures, `files` the names of the files beside it."""
    pictures = {drawing.name: figure(drawing) for drawing in drawn}
    clouds = [figure(drawing) for drawing in drawn if drawing.name.startswith("figure_6")]
    return [
        *_head(results),
        *_comparability(contrasts(results.sweep)),
        *_table_1(results, pictures),
        *_clap(results, pictures),
        heading("Figure 6: prevalence against strength", "figure-6"),
        paragraph(_clouds_said(results)),
        *clouds,
        *_captioners(results, pictures),
        *_probe(results),
        *_methods(results),
        *_files(files),
    ]


def _head(results: Results) -> list[str]:
    sweep = results.sweep
    kept = sum(count.kept for count in results.counts)
    lead = (
        f"{_many(len(sweep.runs), 'run')}, {_many(len(sweep.saes), 'SAE')}, "
        f"{_many(kept, 'kept feature')}."
    )
    links = (
        ("comparable", "Compared with the paper"), ("table-1", "Table 1"), ("figure-3", "Figure 3"),
        ("figure-4", "Figure 4"), ("figure-6", "Figure 6"), ("figure-8", "Figures 8 and 9"),
        ("probe", "Layer probe"), ("methods", "Methods"), ("files", "Files"),
    )  # fmt: skip
    nav = "".join(f'<li><a href="#{anchor}">{text}</a></li>' for anchor, text in links)
    return [
        f"<header><h1>{TITLE}</h1>",
        paragraph(lead, "lead"),
        f'<nav aria-label="Contents"><ol>{nav}</ol></nav></header>',
        table(
            "The runs, joined as one sweep.",
            ["model", "run", "key", "tracks", "SAEs"],
            [
                [
                    escape(run.model), escape(run.directory.path.name),
                    f"<code>{run.key[:12]}</code>", f"{tracks(run):,}",
                    str(sum(sae.run is run for sae in sweep.saes)),
                ]
                for run in sweep.runs
            ],
        ),
    ]  # fmt: skip


def _comparability(facts: Sequence[Contrast]) -> list[str]:
    different = [fact.what for fact in facts if fact.verdict == DIFFERENT]
    unknown = [fact.what for fact in facts if fact.verdict == UNKNOWN]
    said = (
        "<strong>The paper’s numbers are printed beside these for orientation, not as a "
        f"comparison.</strong> Different from the paper: {_listed(different)}."
        if different
        else "<strong>Whether the paper’s numbers can be compared with these cannot be told from "
        f"the runs’ files.</strong> Not known from them: {_listed(unknown)}."
    )
    rows = [
        [escape(fact.what), escape(fact.here), escape(fact.there), escape(fact.verdict)]
        for fact in facts
    ]
    return [
        heading("Compared with the paper", "comparable"),
        paragraph(said, "warning"),
        table(
            f"These runs and the paper ({SOURCE}).",
            ["", "these runs", "the paper", "verdict"],
            rows,
            "prose",
        ),
    ]


def _table_1(results: Results, pictures: dict[str, str]) -> list[str]:
    own, theirs = layout(results.counts), published_table()
    return [
        heading("Table 1: features kept", "table-1"),
        counts_table(own, f"These runs: {_many(own.total, 'feature')} kept in all."),
        folded("Why latents were dropped, per SAE", _filter_table(results)),
        counts_table(theirs, f"The paper: {_many(theirs.total, 'feature')} kept in all."),
        pictures["figure_7"],
    ]


def counts_table(found: Layout, caption: str) -> str:
    """Kept features as the paper lays them out; the most of each layer in bold."""
    groups = spans(found.columns)
    top = "".join(
        f'<th scope="colgroup" colspan="{width}" class="group first">{escape(model)}</th>'
        for model, width in groups
    )
    starts = _starts(found)
    layers = "".join(
        f'<th scope="col" class="n{" first" if first else ""}">{escape(layer)}</th>'
        for (_, layer), first in zip(found.columns, starts, strict=True)
    )
    lines = []
    for (expansion, k), cells, marks in zip(found.rows, found.cells, found.largest, strict=True):
        shown_cells = "".join(
            _count_cell(cell, mark, first)
            for cell, mark, first in zip(cells, marks, starts, strict=True)
        )
        lines.append(
            f'<tr><th scope="row">{factor(expansion)}</th><td class="n">{k}</td>{shown_cells}</tr>'
        )
    caption = f"{caption} Bold: the most of a layer, over expansions and k."
    return framed(
        caption,
        f'<thead><tr><th colspan="2"></th>{top}</tr><tr><th scope="col">expansion</th>'
        f'<th scope="col" class="n">k</th>{layers}</tr></thead><tbody>{"".join(lines)}</tbody>',
        "counts",
    )


def _starts(found: Layout) -> list[bool]:
    """Which columns are the first of their model."""
    models = [model for model, _ in found.columns]
    return [True, *(one != other for one, other in pairwise(models))]


def _count_cell(cell: int | None, mark: bool, first: bool) -> str:
    style = "n" + (" first" if first else "") + (" most" if mark else "")
    if cell is None:
        return f'<td class="{style} none">–</td>'
    return f'<td class="{style}">{cell:,}</td>'


def _filter_table(results: Results) -> str:
    rows = [
        [
            f"{escape(c.model)}, layer {escape(c.layer)}, {factor(c.expansion)}×, k {c.k}",
            *(
                f"{number:,}"
                for number in (
                    c.latents, c.never_fires, c.too_frequent, c.too_rare, c.too_few_tracks, c.kept
                )
            ),
        ]
        for c in results.counts
    ]  # fmt: skip
    _, low, high = results.filter.filter
    return table(
        "The paper’s three reasons, and the smallest number of tracks that these runs ask for. A "
        "latent is counted under the first reason that drops it.",
        [
            "SAE", "latents", "r = 0", f"r &gt; {high:g}", f"r &lt; {low:g}",
            f"under {results.filter.min_tracks} tracks", "kept",
        ],
        rows,
        "counts",
    )  # fmt: skip


def _clap(results: Results, pictures: dict[str, str]) -> list[str]:
    if results.no_clap:
        return [
            heading("Figures 3 and 4: CLAP scores", "figure-3"),
            paragraph(escape(results.no_clap), "quiet"),
        ]
    missing = escape(", ".join(results.scored.without))
    left_out = (
        [paragraph(f"Without CLAP scores, and so not shown: {missing}.", "quiet")]
        if missing
        else []
    )
    return [
        heading("Figure 3: CLAP score by layer", "figure-3"),
        paragraph(
            "The CLAP score of a label is the mean cosine of its text and the feature’s exemplars, "
            "as in the paper. The labels were made from these same clips, so the score does not "
            "validate them. A feature’s value is the mean over its labels."
        ),
        *left_out,
        pictures["figure_3"],
        folded("The numbers of Figure 3", _cells_table(results)),
        heading("Figure 4: best CLAP score per feature", "figure-4"),
        pictures["figure_4"],
        _best_table(results),
    ]


def _cells_table(results: Results) -> str:
    rows = [
        [
            f"{escape(c.model)}, layer {escape(c.layer)}, {escape(c.method)}",
            shown(c.mean.value, 3),
            "–"
            if c.mean.low is None
            else f"{shown(c.mean.low, 3)} to {shown(c.mean.high or 0, 3)}",
            f"{c.mean.features:,}",
            f"{c.labels:,}",
        ]
        for c in results.cells
    ]
    return table(
        f"CLAP score of a feature (mean over its labels). Interval: {KIND}.",
        ["", "mean", "interval", "features", "labels"],
        rows,
    )


def _best_table(results: Results) -> str:
    import numpy as np

    rows = []
    for one in results.best:
        quartiles = [shown(float(q), 3) for q in np.quantile(one.values, (0.25, 0.5, 0.75))]
        rows.append(
            [
                f"{escape(one.model)}, {escape(one.method)}", *quartiles,
                f"{len(one.values):,} of {one.kept:,}", shown(one.labels, 1),
            ]
        )  # fmt: skip
    return table(
        "The best score of a feature: quartiles over features.",
        ["", "25 %", "median", "75 %", "features", "labels each"],
        rows,
    )


def _clouds_said(results: Results) -> str:
    ranks = [p.spearman_max for p in results.prevalence if p.spearman_max is not None]
    text = (
        "Prevalence is the share of validation tracks in which a latent fires, strength its "
        "largest activation in them. The paper does not say which summary of the activations it "
        "draws; the mean over tracks is in figure_6.csv."
    )
    if ranks:
        text += (
            " Rank correlation of the two over the latents that fire: from "
            f"{shown(min(ranks))} to {shown(max(ranks))} over {_many(len(ranks), 'SAE')}."
        )
    return text


def _captioners(results: Results, pictures: dict[str, str]) -> list[str]:
    head = heading("Figures 8 and 9: captioning models", "figure-8")
    if "figure_8" not in pictures:
        why = results.no_clap or (
            "No captioning model labelled these runs: add gemini, or gemini@MODEL for several, to "
            "[labels] methods."
        )
        return [head, paragraph(escape(why), "quiet")]
    return [head, pictures["figure_8"], pictures["figure_9"]]


def _probe(results: Results) -> list[str]:
    theirs = "; ".join(
        f"{model} {shown(value)} ± {shown(around)}"
        for model, (value, around) in published.PROBE.items()
    )
    head = [
        heading("Layer-of-origin probe", "probe"),
        paragraph(
            "Can the layer that a feature was found at be told from its activations? A multilayer "
            "perceptron learns it from some of a subject’s kept features and is graded on the "
            f"others, in {FOLDS} folds. The paper’s accuracies, in per cent: {escape(theirs)}; its "
            "chance level is not stated, and the classes are as unequal as Table 1."
        ),
        paragraph(
            "The paper does not define the activation profile. Here it is the feature’s mean "
            "activation in each of up to 512 test tracks: <em>mean per track</em>, as it is; "
            "<em>unit length</em>, which leaves only where the feature is active; <em>sorted</em>, "
            "which leaves only how strongly. <em>Near copies together</em> keeps features whose "
            "profiles have a cosine of 0.95 or more in one fold, since SAEs of one layer find many "
            "features again. Permuted: the same with layers dealt out at random."
        ),
    ]
    if results.without_probe:
        return [*head, paragraph("It was left out of this report (--no-probe).", "quiet")]
    rows = [_probe_row(row) for row in results.probes]
    notes = sorted(
        {
            f"{row.model}: left out for too few features: layer {', '.join(row.left_out)}."
            for row in results.probes
            if row.left_out
        }
    )
    return [
        *head,
        table(
            "Accuracy in per cent. ±: standard deviation over folds, and over permutations.",
            ["", "accuracy", "permuted", "p", "largest layer", "balanced", "features", "tracks"],
            rows,
            "counts",
        ),
        *(paragraph(escape(note), "quiet") for note in notes),
    ]


def _probe_row(row: Probe) -> list[str]:
    name = f"{escape(row.model)}: {row.profile}, folds {row.folds}"
    if row.accuracy is None:
        return [
            name,
            f"Not estimable: {escape(row.reason)}",
            "",
            "",
            "",
            "",
            f"{row.features:,}",
            "",
        ]
    return [
        name,
        _plus_minus(row.accuracy, row.deviation),
        _plus_minus(row.permuted, row.permuted_deviation),
        "–" if row.p_value is None else shown(row.p_value, 3),
        shown(100 * (row.majority or 0), 1),
        shown(100 * (row.balanced or 0), 1),
        f"{row.features:,}",
        f"{row.tracks:,}",
    ]


def _plus_minus(value: float | None, around: float | None) -> str:
    if value is None:
        return "–"
    return shown(100 * value, 1) + ("" if around is None else f" ± {shown(100 * around, 1)}")


def methods_text(results: Results) -> str:
    """A paragraph for a methods section."""
    sweep = results.sweep
    run = sweep.runs[0]
    settings = sorted({(sae.k, sae.expansion) for sae in sweep.saes})
    models = "; ".join(f"{m} at layers {', '.join(sweep.layers(m))}" for m in sweep.models)
    text = (
        f"We trained {_many(len(sweep.saes), 'sparse autoencoder')} on {models} (layers counted "
        f"from 0) with expansion and k of "
        f"{', '.join(f'{factor(e)} and {k}' for k, e in settings)}, on {tracks(run):,} tracks "
        f"of at most {float(run.config['corpus']['clip_seconds']):g} s. On validation tracks, a "
        f"latent {said(results.filter)}; {sum(c.kept for c in results.counts):,} of "
        f"{sum(c.latents for c in results.counts):,} latents were kept."
    )
    if results.cells:
        text += (
            " Labels were scored by the mean CLAP cosine with the feature’s exemplars; means over "
            f"features have intervals ({KIND})."
        )
    return text


def _methods(results: Results) -> list[str]:
    return [
        heading("Methods", "methods"),
        paragraph(escape(methods_text(results)), "paste"),
        paragraph("The same text is in methods.txt, and Table 1 as LaTeX in table_1.tex.", "quiet"),
    ]


def _files(files: Sequence[str]) -> list[str]:
    items = "".join(f"<li><code>{escape(name)}</code></li>" for name in files)
    return [
        heading("Files", "files"),
        paragraph("Every number of this page, unrounded, and every figure as SVG and PDF:"),
        f"<ul>{items}</ul>",
    ]


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
