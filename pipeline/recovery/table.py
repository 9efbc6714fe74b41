"""Does the pipeline find what is there? Planted concepts, and the features that detect them.

For every concept the feature is chosen on train tracks and graded on test tracks. Two columns show
what to compare it with: a linear probe on the subject's activations (a ceiling for what is linearly
present), and the same pipeline on a subject whose decoder was never trained (a control for what the
architecture and the codec contribute).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from pipeline.config import RunConfig, config_from_dict
from pipeline.corpus.planted import planted_concepts
from pipeline.devices import on_device
from pipeline.errors import PipelineError
from pipeline.progress import Progress
from pipeline.recovery.controls import RANDOM_DECODER, random_decoder
from pipeline.recovery.detection import BestCandidate, detections
from pipeline.recovery.probe import Probe, probes
from pipeline.recovery.stored import read_back
from pipeline.store.run_directory import RunDirectory, RunPlace, opened

RESULT = "recovery/recovery.json"
ENOUGH_TRACKS = 20
"""Minimum number of test tracks with a concept, and without it, for the concept to be counted."""
FOUND = 0.85
"""Test AUROC from which a concept counts as found."""


@dataclass(frozen=True)
class ConceptRow:
    """One planted concept: the feature that detects it, the probe and the controls."""

    concept: str
    group: str
    n_positive: int
    """Number of test tracks with the concept."""
    n_negative: int
    """Number of test tracks without it."""
    detection: BestCandidate | None
    """The best feature; None where a split has too few tracks with or without the concept."""
    probe: Probe | None
    control: BestCandidate | None
    control_probe: Probe | None

    @property
    def counted(self) -> bool:
        """Whether the test split has enough tracks for the concept to be counted."""
        return self.detection is not None and (
            min(self.n_positive, self.n_negative) >= ENOUGH_TRACKS
        )


@dataclass(frozen=True)
class Recovery:
    """The whole table, and which of its columns were computed."""

    rows: tuple[ConceptRow, ...]
    candidates: str
    """In words, which latents a concept's feature was chosen from."""
    has_probe: bool
    has_control: bool


def recover(
    place: RunPlace, *, control: bool, probe: bool, progress: Progress, device: str | None = None
) -> Recovery:
    """The recovery table of the run at `place`; computed once on `device`, later read
    from its file.

    Raises `PipelineError` if there is no run, its stage `features` is not done, or its corpus
    has no planted concepts.
    """
    directory = opened(place)
    run = directory.description("config")
    if not directory.is_done("features"):
        raise PipelineError(f"{directory}: stage features is not done; run it first")
    config = config_from_dict(run["config"])
    control = control and config.subject.control == "none"
    cached = _cached(directory, control=control, probe=probe)
    if cached is not None:
        return cached
    config = on_device(config, device, progress)
    with directory.lock(), directory.writer("recovery") as writer:
        result = _compute(directory, config, control=control, probe=probe, progress=progress)
        writer.write_json(RESULT, asdict(result))
        writer.summary.update(has_probe=probe, has_control=control, concepts=len(result.rows))
        writer.summary["made_of"] = _made_of(directory)
    return result


def _cached(directory: RunDirectory, *, control: bool, probe: bool) -> Recovery | None:
    """The stored table, if it has every column that is asked for and was computed from the files as
    they are now."""
    if not directory.is_done("recovery"):
        return None
    if directory.summary("recovery").get("made_of") != _made_of(directory):
        return None
    result: Recovery = read_back(Recovery, directory.read_json(RESULT))
    if (probe and not result.has_probe) or (control and not result.has_control):
        return None
    return result


def _made_of(directory: RunDirectory) -> dict[str, str]:
    """Hashes of what the table is computed from, in the run and in its control."""
    control = directory.within(RANDOM_DECODER)
    stages = ("corpus", "activations", "features")
    return {"run": directory.digest(*stages), "control": control.digest(*stages)}


def _compute(
    directory: RunDirectory, config: RunConfig, *, control: bool, probe: bool, progress: Progress
) -> Recovery:
    """Every concept's best feature and probe, on the run and, with `control`, on its control."""
    concepts = planted_concepts(directory)
    found = detections(directory, concepts)
    ceilings = probes(directory, concepts, progress) if probe else {}
    control_found: dict[str, BestCandidate] = {}
    control_ceilings: dict[str, Probe] = {}
    if control:
        untrained = random_decoder(directory, config, progress)
        control_found = detections(untrained, concepts)
        control_ceilings = probes(untrained, concepts, progress) if probe else {}
    rows = tuple(
        ConceptRow(
            concept=concept.name,
            group=concept.group,
            n_positive=concept.count("test"),
            n_negative=concept.count("test", present=False),
            detection=found.get(concept.name),
            probe=ceilings.get(concept.name),
            control=control_found.get(concept.name),
            control_probe=control_ceilings.get(concept.name),
        )
        for concept in concepts
    )
    return Recovery(rows, "every latent that fires on train tracks, of every SAE", probe, control)
