"""Everything that is computed from a sweep, before anything is drawn or written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.config import FeaturesConfig
from pipeline.paper import clap
from pipeline.paper.clap import Best, Cell, Ecdf, Scored
from pipeline.paper.counts import Count, counts
from pipeline.paper.layer_probe import Probe, layer_probes
from pipeline.paper.prevalence import Prevalence, prevalence
from pipeline.paper.sweep import Sweep, join
from pipeline.paper.table_2 import Steered, steered
from pipeline.progress import Progress
from pipeline.store.run_directory import RunPlace


@dataclass(frozen=True)
class Results:
    """The numbers of every table and figure."""

    sweep: Sweep
    counts: Sequence[Count]
    prevalence: Sequence[Prevalence]
    scored: Scored
    cells: Sequence[Cell]
    """Figure 3."""
    best: Sequence[Best]
    """Figure 4."""
    captioners: Sequence[Cell]
    """Figure 8."""
    ecdfs: Sequence[Ecdf]
    """Figure 9."""
    steered: Sequence[Steered]
    """Table 2."""
    probes: Sequence[Probe]
    without_probe: bool

    @property
    def filter(self) -> FeaturesConfig:
        """The filter, which all runs share."""
        return self.sweep.runs[0].filter

    @property
    def no_clap(self) -> str:
        """Why there are no figures of CLAP scores, in a sentence; empty if there are."""
        if len(self.scored.heard_by) > 1:
            judges = ", ".join(self.scored.heard_by)
            return (
                "The labels of these runs were scored by different CLAP models, whose scores "
                f"cannot stand in one figure: {judges}."
            )
        if not self.scored.fits:
            return (
                "None of these runs has CLAP scores: add the scorer clap to [scores] scorers and "
                "re-run the stage scores."
            )
        return ""


def compute(
    places: Sequence[RunPlace], *, probe: bool, progress: Progress, permutations: int
) -> Results:
    """Everything, from the run directories at `places`; raises `PipelineError` as `join` does."""
    sweep = join(places)
    scored = clap.read(sweep)
    comparable = len(scored.heard_by) <= 1
    return Results(
        sweep=sweep,
        counts=counts(sweep),
        prevalence=prevalence(sweep),
        scored=scored,
        cells=clap.by_layer(sweep, scored) if comparable else (),
        best=clap.best(sweep, scored) if comparable else (),
        captioners=clap.by_layer(sweep, scored, clap.is_captioner) if comparable else (),
        ecdfs=clap.ecdfs(sweep, scored) if comparable else (),
        steered=steered(sweep),
        probes=layer_probes(sweep, progress=progress, permutations=permutations) if probe else (),
        without_probe=not probe,
    )
