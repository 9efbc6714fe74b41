"""The page's text: what each table and figure shows, beside the paper's numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from pipeline.paper import published
from pipeline.paper.clap import Best, Cell
from pipeline.paper.contrast import DIFFERENT, UNKNOWN, Contrast, contrasts, tracks
from pipeline.paper.counts import Count, Layout, layout
from pipeline.paper.counts import published as published_table
from pipeline.paper.drawing import Figure, factor, shown
from pipeline.paper.intervals import KIND
from pipeline.paper.latex import spans
from pipeline.paper.layer_probe import FOLDS, Probe, rows_of
from pipeline.paper.methods import methods_text
from pipeline.paper.page import escape, figure, folded, framed, heading, paragraph, table
from pipeline.paper.results import Results
from pipeline.paper.table_2 import Steered

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
        *_table_2(results),
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
        ("probe", "Layer probe"), ("table-2", "Table 2"), ("methods", "Methods"),
        ("files", "Files"),
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
            "counts",
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
        folded("Why latents were dropped, per SAE", _filter_tables(results)),
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


def _filter_tables(results: Results) -> str:
    _, low, high = results.filter.filter
    head = [
        "SAE", "latents", "r = 0", f"r &gt; {high:g}", f"r &lt; {low:g}",
        f"under {results.filter.min_tracks} tracks", "kept",
    ]  # fmt: skip
    return "".join(
        table(
            f"{escape(model)}: the paper’s three reasons, and the smallest number of tracks that "
            "these runs ask for. A latent is counted under the first reason that drops it.",
            head,
            [_filter_row(count) for count in results.counts if count.model == model],
            "counts",
        )
        for model in results.sweep.models
    )


def _filter_row(count: Count) -> list[str]:
    numbers = (
        count.latents, count.never_fires, count.too_frequent, count.too_rare,
        count.too_few_tracks, count.kept,
    )  # fmt: skip
    name = f"layer {escape(count.layer)}, {factor(count.expansion)}×, k {count.k}"
    return [name, *(f"{number:,}" for number in numbers)]


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
        folded("The numbers of Figure 3", _cells_tables(results)),
        heading("Figure 4: best CLAP score per feature", "figure-4"),
        pictures["figure_4"],
        _best_tables(results),
    ]


def _cells_tables(results: Results) -> str:
    return "".join(
        table(
            f"{escape(model)}: CLAP score of a feature (mean over its labels). Interval: {KIND}.",
            ["", "mean", "interval", "features", "labels"],
            [_cell_row(cell) for cell in results.cells if cell.model == model],
            "counts",
        )
        for model in results.sweep.models
    )


def _cell_row(cell: Cell) -> list[str]:
    mean = cell.mean
    around = (
        "–"
        if mean.low is None or mean.high is None
        else f"{shown(mean.low, 3)} to {shown(mean.high, 3)}"
    )
    return [
        f"layer {escape(cell.layer)}, {escape(cell.method)}",
        shown(mean.value, 3), around, f"{mean.features:,}", f"{cell.labels:,}",
    ]  # fmt: skip


def _best_tables(results: Results) -> str:
    return "".join(
        table(
            f"{escape(model)}: the best score of a feature, quartiles over features.",
            ["", "25 %", "median", "75 %", "features", "labels each"],
            [_best_row(one) for one in results.best if one.model == model],
            "counts",
        )
        for model in results.sweep.models
    )


def _best_row(one: Best) -> list[str]:
    return [
        escape(one.method), *(shown(value, 3) for value in one.quartiles),
        f"{len(one.values):,} of {one.kept:,}", shown(one.labels, 1),
    ]  # fmt: skip


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
            "No captioning model labelled these runs: add gemini, audio-chat@MODEL or "
            "captioner@MODEL, one or several, to [labels] methods."
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
            "chance level is not stated, and its classes are as unequal as the columns of its "
            "Table 1."
        ),
        paragraph(
            "The paper does not define the activation profile. Here it is the feature’s mean "
            "activation in each of up to 512 test tracks: <em>mean per track</em>, as it is; "
            "<em>unit length</em>, which leaves only where the feature is active; <em>sorted</em>, "
            "which leaves only how strongly. <em>Near copies together</em> keeps features whose "
            "profiles have a cosine of 0.95 or more in one fold, since SAEs of one layer find many "
            "features again. Permuted: the same with layers dealt out at random. Majority: always "
            "answering the layer with the most features. Balanced: the mean over layers of the "
            "share of their features that are told right."
        ),
    ]
    if results.without_probe:
        return [*head, paragraph("It was left out of this report (--no-probe).", "quiet")]
    notes = [_probed(results, model) for model in results.sweep.models]
    notes += sorted(
        {
            f"{row.model}: left out for too few features: layer {', '.join(row.left_out)}."
            for row in results.probes
            if row.left_out
        }
    )
    return [
        *head,
        *(
            table(
                f"{escape(model)}: accuracy in per cent. ±: standard deviation over folds, and "
                "over permutations.",
                ["profile, folds", "accuracy", "permuted", "p", "majority", "balanced"],
                [_probe_row(row) for row in rows_of(results.probes, model)],
                "counts",
            )
            for model in results.sweep.models
        ),
        *(paragraph(escape(note), "quiet") for note in notes),
    ]


def _probed(results: Results, model: str) -> str:
    first = rows_of(results.probes, model)[0]
    return f"{model}: {_many(first.features, 'feature')} in {_many(first.tracks, 'track')}."


def _probe_row(row: Probe) -> list[str]:
    name = f"{row.profile}, {row.folds}"
    if row.accuracy is None:
        return [name, f"not estimable: {escape(row.reason)}", *("–" for _ in range(4))]
    return [
        name,
        _plus_minus(row.accuracy, row.deviation),
        _plus_minus(row.permuted, row.permuted_deviation),
        "–" if row.p_value is None else shown(row.p_value, 3),
        shown(100 * (row.majority or 0), 1),
        shown(100 * (row.balanced or 0), 1),
    ]


def _plus_minus(value: float | None, around: float | None) -> str:
    if value is None:
        return "–"
    return shown(100 * value, 1) + ("" if around is None else f" ± {shown(100 * around, 1)}")


def _table_2(results: Results) -> list[str]:
    head = [
        heading("Table 2: steering", "table-2"),
        paragraph(
            "A feature improved if its music, with the feature turned up by α = 1, is closer to "
            "its exemplars by CLAP than the same music without."
        ),
    ]
    theirs = table(
        "The paper: one clip per feature, no random directions.",
        ["", "improved", "share"],
        [
            [
                f"{row.model}, layer {row.layer}, {row.expansion}×, k {row.k}",
                f"{row.improved} of {row.features}",
                f"{shown(100 * row.improved / row.features, 1)} %",
            ]
            for row in published.TABLE_2
        ],
        "counts",
    )
    if not results.steered:
        why = (
            "None of these runs was evaluated under steering: python -m pipeline steer RUN "
            "--evaluate writes what this table needs."
        )
        return [*head, paragraph(why, "quiet"), theirs]
    ours = table(
        "These runs. Improved: the mean over a feature’s clips; share: with Wilson’s 95 % "
        "interval. One clip: the first only, as in the paper. Random: the same features, each "
        "steered along a random direction of the same length; p: exact McNemar test of the two. "
        "Pool: the mean share of random directions that improve a feature.",
        ["", "improved", "share", "one clip", "random", "p", "pool"],
        [_steered_row(row) for row in results.steered],
        "counts",
    )
    return [*head, ours, theirs]


def _steered_row(row: Steered) -> list[str]:
    found = row.found
    share = found.improved / found.tried if found.tried else 0.0
    return [
        f"{escape(row.model)}, layer {escape(row.layer)}, {factor(row.expansion)}×, k {row.k}",
        f"{found.improved} of {found.tried}",
        f'{shown(100 * share, 1)} % <span class="interval">{shown(100 * found.low, 1)} to '
        f"{shown(100 * found.high, 1)}</span>",
        str(found.improved_one_seed),
        f"{found.random_improved} of {found.random_tried}" if found.random_tried else "–",
        "–" if found.p is None else shown(found.p, 3),
        f"{shown(100 * found.pool_share, 0)} %",
    ]


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
