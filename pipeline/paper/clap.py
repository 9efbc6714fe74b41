"""Figures 3, 4, 8 and 9: how well labels fit the exemplars of their feature, by CLAP.

All are from `scores/NAME/clap.parquet`, the paper's CLAP score: the mean cosine of a label and the
feature's exemplars. A feature's value under a method is the mean over its labels, so that a feature
with many labels counts no more than one with few; its *best* is the largest over its labels, which
grows with the number of labels that a method gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.labelers import CONTROLS
from pipeline.paper.intervals import Mean, mean_over_features
from pipeline.paper.sweep import Sae, Sweep

Floats = npt.NDArray[np.float64]

SCORER = "clap"
CAPTIONERS = ("gemini", "audio-chat", "captioner")
"""Methods in which a captioning model writes the labels; `METHOD@MODEL` are others of them."""
ALL_METHODS = "best of all methods"
THRESHOLDS = 101
"""Points of a coverage curve."""


@dataclass(frozen=True)
class Fits:
    """The CLAP scores of one method for the features of one SAE, one entry per feature."""

    sae: Sae
    method: str
    features: tuple[str, ...]
    mean: Floats
    best: Floats
    labels: npt.NDArray[np.int64]
    """Labels with a score."""
    clips: tuple[tuple[str, ...], ...]
    """The tracks that are the feature's exemplars."""
    kept: int
    """Features of the SAE that passed the filter, with a score or not."""


@dataclass(frozen=True)
class Scored:
    """What CLAP said of a sweep's labels."""

    fits: tuple[Fits, ...]
    heard_by: tuple[str, ...]
    """The CLAPs that scored; their scores may only stand together if there is one."""
    without: tuple[str, ...]
    """Runs without such scores."""

    @property
    def methods(self) -> tuple[str, ...]:
        """All methods, controls last."""
        names = dict.fromkeys(fits.method for fits in self.fits)
        return tuple(sorted(names, key=is_control))


def is_control(method: str) -> bool:
    """Whether a method labels without listening."""
    return method.partition("@")[0] in CONTROLS


def is_captioner(method: str) -> bool:
    """Whether a captioning model writes a method's labels."""
    return method.partition("@")[0] in CAPTIONERS


def read(sweep: Sweep) -> Scored:
    """The scores of every SAE, read one table at a time."""
    fits: list[Fits] = []
    heard: dict[str, None] = {}
    without = []
    for run in sweep.runs:
        stages = run.directory.manifest()["stages"]
        files = stages.get("scores", {"files": {}})["files"]
        own = [sae for sae in sweep.saes if sae.run is run]
        graded = [sae for sae in own if f"scores/{sae.name}/{SCORER}.parquet" in files]
        if not graded:
            without.append(run.directory.path.name)
        for sae in graded:
            found, by = _of(sae)
            fits += found
            heard.update(dict.fromkeys(by))
    return Scored(tuple(fits), tuple(heard), tuple(without))


def _of(sae: Sae) -> tuple[list[Fits], list[str]]:
    import pandas as pd

    path = f"scores/{sae.name}/{SCORER}.parquet"
    names = ("feature", "method", "score", "status")
    rows = pd.DataFrame(dict(zip(names, sae.columns(path, *names), strict=True)))
    rows = rows[(rows["status"] == "ok") & rows["score"].notna()]
    (passed,) = sae.columns(f"features/{sae.name}.parquet", "kept")
    kept = int(passed.sum())
    clips = _exemplars(sae)
    found = []
    for method, own in rows.groupby("method", sort=True):
        by_feature = own.groupby("feature", sort=True)["score"]
        features = tuple(str(name) for name in by_feature.groups)
        found.append(
            Fits(
                sae=sae,
                method=str(method),
                features=features,
                mean=by_feature.mean().to_numpy(dtype=np.float64),
                best=by_feature.max().to_numpy(dtype=np.float64),
                labels=np.asarray(by_feature.size(), dtype=np.int64),
                clips=tuple(clips.get(name, ()) for name in features),
                kept=kept,
            )
        )
    return found, _heard_by(sae, path)


def _heard_by(sae: Sae, path: str) -> list[str]:
    """The CLAPs that scored; runs of early versions do not say."""
    table = sae.run.directory.read_table(path)
    if "heard_by" not in table.column_names:
        return ["a CLAP that is not recorded"]
    return [str(name) for name in table.column("heard_by").unique().to_pylist()]


def _exemplars(sae: Sae) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    columns = sae.columns(f"exemplars/{sae.name}.parquet", "feature", "track")
    for feature, track in zip(*columns, strict=True):
        found.setdefault(feature, []).append(track)
    return {feature: tuple(tracks) for feature, tracks in found.items()}


@dataclass(frozen=True)
class Cell:
    """The mean CLAP score of one method at one layer of one model, over its SAEs."""

    model: str
    layer: str
    method: str
    mean: Mean
    labels: int


def by_layer(
    sweep: Sweep, scored: Scored, wanted: Callable[[str], bool] = lambda method: True
) -> list[Cell]:
    """Figures 3 and 8: one cell per model, layer and method, in that order of the sweep."""
    found = []
    for method in filter(wanted, scored.methods):
        for model in sweep.models:
            for layer in sweep.layers(model):
                here = [
                    fits
                    for fits in scored.fits
                    if (fits.method, fits.sae.model, fits.sae.layer) == (method, model, layer)
                ]
                if any(len(fits.mean) for fits in here):
                    found.append(_cell(model, layer, method, here))
    return found


def _cell(model: str, layer: str, method: str, here: Sequence[Fits]) -> Cell:
    values = np.concatenate([fits.mean for fits in here])
    clips = [own for fits in here for own in fits.clips]
    labels = sum(int(fits.labels.sum()) for fits in here)
    return Cell(model, layer, method, mean_over_features(values, clips), labels)


@dataclass(frozen=True)
class Best:
    """Figure 4: the best CLAP score of every feature of one model under one method."""

    model: str
    method: str
    values: Floats
    """[feature], sorted; features without a scored label have none."""
    kept: int
    """Features that passed the filter: what coverage is a share of."""
    labels: float
    """Scored labels per feature, on average."""

    @property
    def quartiles(self) -> tuple[float, float, float]:
        """Of the values, interpolated linearly."""
        low, median, high = np.quantile(self.values, (0.25, 0.5, 0.75)).tolist()
        return low, median, high

    def coverage(self, threshold: float) -> float:
        """Share of the kept features whose best label scores at least `threshold`."""
        above = len(self.values) - np.searchsorted(self.values, threshold, side="left")
        return float(above) / self.kept if self.kept else 0.0


def best(sweep: Sweep, scored: Scored) -> list[Best]:
    """One per model and method, and one per model for the best of all methods but controls."""
    found = []
    for model in sweep.models:
        own = [fits for fits in scored.fits if fits.sae.model == model]
        groups = [(method, [f for f in own if f.method == method]) for method in scored.methods]
        labelled = [fits for fits in own if not is_control(fits.method)]
        if len({fits.method for fits in labelled}) > 1:
            groups.insert(0, (ALL_METHODS, labelled))
        found += [_best(model, method, group) for method, group in groups if group]
    return found


def _best(model: str, method: str, group: Sequence[Fits]) -> Best:
    top: dict[str, float] = {}
    for fits in group:
        for feature, value in zip(fits.features, fits.best, strict=True):
            top[feature] = max(top.get(feature, -np.inf), float(value))
    kept = sum({fits.sae.name: fits.kept for fits in group}.values())
    labels = sum(int(fits.labels.sum()) for fits in group)
    values = np.sort(np.asarray(list(top.values())))
    return Best(model, method, values, kept, labels / len(values) if len(values) else 0.0)


def thresholds(found: Sequence[Best]) -> Floats:
    """The thresholds of the coverage curves: evenly spaced over all values."""
    values = np.concatenate([one.values for one in found])
    return np.linspace(values.min(), values.max(), THRESHOLDS)


@dataclass(frozen=True)
class Ecdf:
    """Figure 9: the scores of one captioning model's features of one subject, sorted."""

    model: str
    method: str
    values: Floats


def ecdfs(sweep: Sweep, scored: Scored) -> list[Ecdf]:
    """One per model and captioning model; a feature's value is the mean over its labels."""
    return list(_ecdfs(sweep, scored))


def _ecdfs(sweep: Sweep, scored: Scored) -> Iterator[Ecdf]:
    for model in sweep.models:
        for method in filter(is_captioner, scored.methods):
            own = [f.mean for f in scored.fits if (f.sae.model, f.method) == (model, method)]
            if own and len(values := np.sort(np.concatenate(own))):
                yield Ecdf(model, method, values)
