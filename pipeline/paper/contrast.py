"""What is the same as in the paper and what is not, read from the runs' files.

The paper's numbers stand beside a run's for orientation. They are a comparison only as far as
corpus, subject, layers, SAEs and filter are the same, so each of these is set against the paper's.
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline.config import FeaturesConfig
from pipeline.paper import published
from pipeline.paper.drawing import factor
from pipeline.paper.sweep import Run, Sweep

DIFFERENT, SAME, UNKNOWN = "different", "same", "not known from the files"
PAPER_SUBJECTS = {"musicgen-large", "musicgen-small"}
NEARLY = 0.1
"""A corpus may have this share of tracks more or fewer than the paper's to count as its size."""


class Contrast(NamedTuple):
    """One fact: what these runs have, what the paper has, and whether it is the same."""

    what: str
    here: str
    there: str
    verdict: str


def contrasts(sweep: Sweep) -> list[Contrast]:
    """Every fact that makes the paper's numbers comparable or not."""
    run = sweep.runs[0]
    return [
        _corpus(run),
        _subjects(sweep),
        _layers(sweep),
        _saes(sweep),
        _filter(run),
    ]


def tracks(run: Run) -> int:
    """Usable tracks of a run, of all splits."""
    return sum((run.directory.summary("corpus").get("usable") or {}).values())


def _corpus(run: Run) -> Contrast:
    count = tracks(run)
    near = abs(count - published.TRACKS) <= NEARLY * published.TRACKS
    return Contrast(
        "corpus",
        f"{count:,} tracks of {float(run.config['corpus']['clip_seconds']):g} s at most, "
        f"fingerprint {run.corpus[:12]}",
        f"about {published.TRACKS:,} clips of about {published.CLIP_SECONDS:g} s, "
        f"{published.CORPUS}",
        UNKNOWN if near else DIFFERENT,
    )


def _subjects(sweep: Sweep) -> Contrast:
    return Contrast(
        "subjects",
        ", ".join(sweep.models),
        "MusicGen large, MusicGen small",
        SAME if set(sweep.models) == PAPER_SUBJECTS else DIFFERENT,
    )


def _layers(sweep: Sweep) -> Contrast:
    ours = {model: sweep.layers(model) for model in sweep.models}
    theirs = {name: tuple(map(str, layers)) for name, layers in published.LAYERS.items()}
    return Contrast(
        "layers",
        "; ".join(f"{model}: {', '.join(layers)}" for model, layers in ours.items()),
        "; ".join(f"{model}: {', '.join(layers)}" for model, layers in theirs.items()),
        SAME if set(ours.values()) == set(theirs.values()) else DIFFERENT,
    )


def _saes(sweep: Sweep) -> Contrast:
    ours = {(sae.expansion, sae.k) for sae in sweep.saes}
    theirs = {(one.expansion, one.k) for one in published.TABLE_1}
    return Contrast("SAEs", _pairs(ours), _pairs(theirs), _verdict(ours == theirs))


def _pairs(found: set[tuple[float, int]] | set[tuple[int, int]]) -> str:
    ordered = sorted(found, key=lambda pair: (pair[1], pair[0]))
    return ", ".join(f"expansion {factor(expansion)} with k {k}" for expansion, k in ordered)


def _filter(run: Run) -> Contrast:
    config = run.filter
    paper = FeaturesConfig(preset="paper", min_tracks=1)
    return Contrast(
        "filter",
        said(config),
        "fires where its maximum exceeds 0; kept for rates from 0.01 to 0.25",
        _verdict(
            (config.filter, config.threshold_unit, config.min_tracks)
            == (paper.filter, paper.threshold_unit, paper.min_tracks)
        ),
    )


def said(config: FeaturesConfig) -> str:
    """A filter in words."""
    threshold, low, high = config.filter
    unit = (
        f"{threshold:g} of its own maximum"
        if config.threshold_unit == "relative"
        else f"{threshold:g}" + (" (in units of the input’s RMS)" if threshold else "")
    )
    return (
        f"fires where its maximum exceeds {unit}; kept for rates from {low:g} to {high:g}, "
        f"in {config.min_tracks} tracks or more"
    )


def _verdict(same: bool) -> str:
    return SAME if same else DIFFERENT
