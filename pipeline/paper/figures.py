"""The paper's figures, each from the numbers of its own module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.paper.clap import Best, Cell, Ecdf, is_control
from pipeline.paper.counts import Count
from pipeline.paper.drawing import (
    INK,
    MARKERS,
    MUTED,
    Figure,
    canvas,
    colour,
    factor,
    grid,
    legend,
    made,
    short,
    shown,
)
from pipeline.paper.prevalence import Prevalence

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def figure_7(found: Sequence[Count]) -> Figure:
    """Features kept per layer, one panel per model, one line per expansion and k."""
    models = tuple(dict.fromkeys(count.model for count in found))
    settings = sorted({(c.k, c.expansion) for c in found})
    most = max(count.kept for count in found)
    with canvas(0.7 + 1.9 * len(models), rows=len(models)) as (figure, axes):
        for ax, model in zip(axes, models, strict=True):
            own = [count for count in found if count.model == model]
            layers = list(dict.fromkeys(count.layer for count in own))
            for series, (k, expansion) in enumerate(settings):
                line = {c.layer: c.kept for c in own if (c.k, c.expansion) == (k, expansion)}
                ax.plot(
                    [layers.index(layer) for layer in line], list(line.values()),
                    color=colour(series), marker=MARKERS[series % len(MARKERS)], markersize=5,
                    linewidth=1.4, label=f"expansion {factor(expansion)}, k {k}",
                )  # fmt: skip
            _layer_axis(ax, layers)
            # Counts of 0 and of thousands in one panel: linear below 10, logarithmic above.
            if most > 200:
                ax.set_yscale("symlog", linthresh=10)
                ax.yaxis.set_major_formatter(_plain_number)
                ax.set_yticks([0, *(10**power for power in range(1, 5))])
                ax.set_ylim(top=2 * most)
            ax.set_ylim(bottom=0)
            ax.set_title(short(model, 60))
            ax.set_ylabel("features kept")
            grid(ax)
        _share_heights(axes)
        axes[-1].set_xlabel("layer, counted from 0")
        legend(figure, axes)
        return made(
            figure, "figure_7", "Figure 7: features kept by layer",
            _said_counts(found),
            "Features that passed the filter, by layer, expansion and k: the numbers of Table 1.",
        )  # fmt: skip


def _said_counts(found: Sequence[Count]) -> str:
    return "Features kept. " + " ".join(
        f"{c.model}, layer {c.layer}, expansion {factor(c.expansion)}, k {c.k}: {c.kept}."
        for c in found
    )


def _layer_axis(ax: Axes, layers: Sequence[str]) -> None:
    """Layers at equal distances, in order of depth."""
    ax.set_xticks(range(len(layers)), list(layers))
    ax.set_xlim(-0.4, len(layers) - 0.6)


def figure_3(cells: Sequence[Cell], level: str) -> Figure:
    """Mean CLAP by layer, one panel per method, one line per model."""
    panels = tuple(dict.fromkeys(cell.method for cell in cells))
    return _by_layer(
        cells, panels, "figure_3", "Figure 3: mean CLAP score by layer",
        "Mean CLAP score of a feature’s labels with its exemplars, by layer, one panel per "
        f"labeling method; all SAEs of a layer together. Bars: {level}.",
    )  # fmt: skip


def figure_8(cells: Sequence[Cell], level: str) -> Figure:
    """Mean CLAP by layer, one panel per subject, one line per captioning model."""
    panels = tuple(dict.fromkeys(cell.model for cell in cells))
    return _by_layer(
        cells, panels, "figure_8", "Figure 8: captioning models by layer",
        "Mean CLAP score of the labels of each captioning model, by layer, one panel per subject. "
        f"Bars: {level}.",
        by_model=True,
    )  # fmt: skip


def _by_layer(
    cells: Sequence[Cell],
    panels: Sequence[str],
    name: str,
    title: str,
    caption: str,
    by_model: bool = False,
) -> Figure:
    """Lines over layers with intervals. `by_model`: panels are models and lines methods."""
    lines = tuple(dict.fromkeys(c.method if by_model else c.model for c in cells))
    one_depth = len({tuple(_layers(cells, c.model)) for c in cells}) == 1
    with canvas(0.7 + 1.75 * len(panels), rows=len(panels)) as (figure, axes):
        for ax, panel in zip(axes, panels, strict=True):
            for series, line in enumerate(lines):
                model, method = (panel, line) if by_model else (line, panel)
                own = [c for c in cells if (c.model, c.method) == (model, method)]
                _with_bars(ax, own, _layers(cells, model), series, len(lines), short(line))
            if by_model or one_depth:
                _layer_axis(ax, _layers(cells, panel if by_model else lines[0]))
            else:
                # Subjects of different depths: the paper's small and large share two layers only.
                most = max(len(_layers(cells, line)) for line in lines)
                _layer_axis(ax, [str(place + 1) for place in range(most)])
            control = " (control)" if not by_model and is_control(panel) else ""
            ax.set_title(short(panel, 60) + control)
            ax.set_ylabel("mean CLAP score")
            grid(ax)
        _share_heights(axes)
        axes[-1].set_xlabel(
            "layer, counted from 0" if by_model or one_depth else "hookpoint, in order of depth"
        )
        legend(figure, axes)
        alt = f"{title}. " + " ".join(_said(cell) for cell in cells)
        return made(figure, name, title, alt, caption)


def _share_heights(axes: Sequence[Axes]) -> None:
    """One vertical range for all panels, so that they can be compared."""
    limits = [ax.get_ylim() for ax in axes]
    for ax in axes:
        ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


def _layers(cells: Sequence[Cell], model: str) -> list[str]:
    return list(dict.fromkeys(cell.layer for cell in cells if cell.model == model))


def _with_bars(
    ax: Axes, own: Sequence[Cell], layers: Sequence[str], series: int, of: int, label: str
) -> None:
    """One line; series stand beside one another, so that bars do not hide bars."""
    aside = (series - (of - 1) / 2) * 0.08
    x = [layers.index(cell.layer) + aside for cell in own]
    y = [cell.mean.value for cell in own]
    around = [_half_widths(cell) for cell in own]
    bars = [[low for low, _ in around], [high for _, high in around]]
    ax.errorbar(
        x, y, yerr=bars, color=colour(series), marker=MARKERS[series % len(MARKERS)],
        markersize=5, linewidth=1.2, elinewidth=1.6, label=label,
    )  # fmt: skip


def _half_widths(cell: Cell) -> tuple[float, float]:
    """How far the interval reaches below and above the mean; 0 where there is none."""
    mean = cell.mean
    if mean.low is None or mean.high is None:
        return 0.0, 0.0
    return mean.value - mean.low, mean.high - mean.value


def _said(cell: Cell) -> str:
    mean = cell.mean
    around = (
        "" if mean.low is None else f", from {shown(mean.low, 3)} to {shown(mean.high or 0, 3)}"
    )
    return f"{cell.model}, layer {cell.layer}, {cell.method}: {shown(mean.value, 3)}{around}."


def figure_4(found: Sequence[Best], at: np.ndarray) -> Figure:
    """Per model: the distribution of the best score per feature, and its coverage curve."""
    models = tuple(dict.fromkeys(one.model for one in found))
    methods = tuple(dict.fromkeys(one.method for one in found))
    bins = np.linspace(at[0], at[-1], 26)
    with canvas(0.8 + 2.3 * len(models), rows=len(models), columns=2) as (figure, axes):
        for row, model in enumerate(models):
            left, right = axes[2 * row], axes[2 * row + 1]
            for one in (b for b in found if b.model == model):
                series = methods.index(one.method)
                style = (0, (4, 2)) if is_control(one.method) else "solid"
                shares = np.histogram(one.values, bins)[0] / max(1, len(one.values))
                left.stairs(shares, bins, color=colour(series), linewidth=1.4, linestyle=style)
                right.plot(
                    at, [one.coverage(value) for value in at], color=colour(series),
                    linewidth=1.4, linestyle=style, label=short(one.method),
                )  # fmt: skip
            left.set_title(short(model, 38))
            left.set_ylabel("share of features")
            right.set_ylabel("coverage")
            right.set_ylim(0, 1.02)
            left.set_ylim(bottom=0)
            for ax in (left, right):
                grid(ax, "both")
        axes[-2].set_xlabel("best CLAP score of a feature")
        axes[-1].set_xlabel("threshold")
        legend(figure, axes, columns=3)
        alt = "Best CLAP score per feature. " + " ".join(
            f"{one.model}, {one.method}: median {shown(float(np.median(one.values)), 3)} of "
            f"{len(one.values)} features."
            for one in found
        )
        return made(
            figure, "figure_4", "Figure 4: best CLAP score per feature, and coverage", alt,
            "Left: the best CLAP score of a feature over the labels that a method gives for it. "
            "Right: the share of all kept features whose best label reaches the threshold. Dashed: "
            "control. A method that gives more labels has more tries at a high best score.",
        )  # fmt: skip


def figure_6(
    model: str, number: int, found: Sequence[Prevalence], limits: Sequence[float]
) -> Figure:
    """All SAEs of one model: rows are layers, columns settings. `limits`: the filter's rates."""
    layers = list(dict.fromkeys(one.sae.layer for one in found))
    settings = sorted({(one.sae.k, one.sae.expansion) for one in found})
    at = {(one.sae.layer, (one.sae.k, one.sae.expansion)): one for one in found}
    rows, columns = len(layers), len(settings)
    box = _box(found)
    with canvas(0.7 + 1.35 * rows, rows=rows, columns=columns) as (figure, axes):
        for place, ax in enumerate(axes):
            layer, setting = layers[place // columns], settings[place % columns]
            one = at.get((layer, setting))
            if one is None:
                ax.set_axis_off()
                continue
            _cloud(ax, one, limits)
            ax.set_xscale("log")
            ax.set_yscale("log")
            ax.set_xlim(box[0], box[1])
            ax.set_ylim(box[2], box[3])
            ax.set_title(f"layer {layer}, {factor(setting[1])}×, k {setting[0]}", fontsize=7.5)
            _few_ticks(
                ax, first_column=place % columns == 0, last_row=place >= (rows - 1) * columns
            )
            grid(ax, "both")
        figure.supxlabel("share of validation tracks in which the latent fires", fontsize=9)
        figure.supylabel("largest activation (normalised)", fontsize=9)
        legend(figure, axes)
        alt = f"Prevalence against strength, {model}. " + " ".join(_said_cloud(p) for p in found)
        return made(
            figure, f"figure_6_{number}", f"Figure 6: prevalence against strength, {model}", alt,
            f"{model}: latents that fire, by the share of validation tracks in which they fire and "
            "their largest activation, both logarithmic. A larger dot stands for more latents; "
            "dashed lines are the filter’s limits on the share.",
        )  # fmt: skip


def _cloud(ax: Axes, one: Prevalence, limits: Sequence[float]) -> None:
    for kept, tone in ((False, MUTED), (True, colour(0))):
        dots = [dot for dot in one.dots if dot.kept == kept]
        ax.scatter(
            [dot.rate for dot in dots], [dot.strength for dot in dots],
            s=[3 * np.sqrt(dot.latents) for dot in dots], color=tone, alpha=0.7, linewidth=0,
            label="kept" if kept else "dropped",
        )  # fmt: skip
    for limit in limits:
        ax.axvline(limit, color=INK, linewidth=0.7, linestyle=(0, (3, 2)))


def _box(found: Sequence[Prevalence]) -> tuple[float, float, float, float]:
    """Common limits of all panels, so that they can be compared."""
    dots = [dot for one in found for dot in one.dots]
    if not dots:
        return 0.001, 1.0, 0.1, 10.0
    rates, strengths = [d.rate for d in dots], [d.strength for d in dots]
    return min(rates) / 1.5, 1.2, min(strengths) / 1.4, max(strengths) * 1.4


def _few_ticks(ax: Axes, *, first_column: bool, last_row: bool) -> None:
    """Few ticks, with numbers at the outer panels only."""
    from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

    for axis, outer, steps in (
        (ax.xaxis, last_row, (1.0,)),
        (ax.yaxis, first_column, (1.0, 3.0)),
    ):
        axis.set_major_locator(LogLocator(base=10, subs=steps, numticks=6))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(_plain_number if outer else NullFormatter())
    ax.tick_params(labelsize=7.5)


def _plain_number(value: float, _place: float | None = None) -> str:
    return f"{value:g}"


def _said_cloud(one: Prevalence) -> str:
    rank = "" if one.spearman_max is None else f", rank correlation {shown(one.spearman_max)}"
    return f"{one.sae.name}: {one.firing} latents fire{rank}."


def figure_9(found: Sequence[Ecdf]) -> Figure:
    """Cumulative distributions, one panel per subject, one line per captioning model."""
    models = tuple(dict.fromkeys(one.model for one in found))
    methods = tuple(dict.fromkeys(one.method for one in found))
    with canvas(0.7 + 1.9 * len(models), rows=len(models)) as (figure, axes):
        for ax, model in zip(axes, models, strict=True):
            for one in (e for e in found if e.model == model):
                ax.ecdf(
                    one.values, color=colour(methods.index(one.method)), linewidth=1.4,
                    label=short(one.method),
                )  # fmt: skip
            ax.set_title(short(model, 60))
            ax.set_ylabel("share of features")
            ax.set_xlim(min(e.values[0] for e in found), max(e.values[-1] for e in found))
            grid(ax, "both")
        axes[-1].set_xlabel("CLAP score of a feature (mean over its labels)")
        legend(figure, axes)
        alt = "Cumulative distribution of CLAP scores. " + " ".join(
            f"{one.model}, {one.method}: quartiles "
            + ", ".join(shown(float(q), 3) for q in np.quantile(one.values, (0.25, 0.5, 0.75)))
            + "."
            for one in found
        )
        return made(
            figure, "figure_9", "Figure 9: captioning models, cumulative distribution", alt,
            "The share of features whose CLAP score is at most the value on the axis, by "
            "captioning model, one panel per subject.",
        )  # fmt: skip
