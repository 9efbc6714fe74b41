"""The stages in order, and how a run is started, continued or refused.

A run directory belongs to one configuration: `run.json`, written first, records its key. A stage is
done when the manifest says so; a run that was killed continues after its last finished stage, and
within a stage that falls into pieces after the last finished piece (`pipeline.pieces`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Any

from pipeline import devices, pieces, readiness
from pipeline.config import RunConfig
from pipeline.errors import PipelineError
from pipeline.identity import (
    checkpoint_fingerprint,
    corpus_fingerprint,
    identity,
    key_of,
    outside_fingerprints,
    subject_fingerprint,
)
from pipeline.parallel import Advance, torch_threads
from pipeline.pieces import Pieces
from pipeline.progress import Progress
from pipeline.registry import resolve
from pipeline.store.run_directory import RunDirectory, RunPlace, opened

# To add a stage: write its file in pipeline/stages, add a line here at its place in the order,
# define its tables' columns in pipeline/store/tables.py, add a row to the table in ARCHITECTURE.md.
# It is a function, or a class after `pipeline.pieces.Pieces` if its work falls into pieces.
STAGE_FUNCTIONS: dict[str, str] = {
    "corpus": "pipeline.stages.corpus.run",
    "activations": "pipeline.stages.activations.Shards",
    "sae": "pipeline.stages.sae.Trainings",
    "features": "pipeline.stages.features.OfSaes",
    "exemplars": "pipeline.stages.exemplars.OfSaes",
    "labels": "pipeline.stages.labels.OfMethods",
    "scores": "pipeline.stages.scores.OfScorers",
}
STAGES: tuple[str, ...] = tuple(STAGE_FUNCTIONS)
ADOPTION = "pipeline.stages.adoption.run"

MADE_OF = {
    "quality": "sae", "steering": "exemplars", "steering-evaluation": "labels",
    "steering-horizons": "labels", "recovery": "features", "benchmark": "labels",
}  # fmt: skip
"""Manifest entries written by separate commands, and the last stage that each of them reads."""

WITHOUT_DEVICE = frozenset({"corpus", "exemplars"})
"""Stages that compute on the CPU, whatever the config's device."""

RECORDED_PACKAGES = (
    "numpy", "torch", "transformers", "safetensors", "pyarrow", "soundfile", "soxr",
    "librosa", "scikit-learn", "google-genai", "essentia-tensorflow", "laion-clap",
)  # fmt: skip
"""Libraries that can change a run's numbers; their versions go into `run.json`."""


def execute(
    config: RunConfig,
    out: RunPlace,
    *,
    progress: Progress,
    until: str | None = None,
    redo: str | None = None,
) -> RunDirectory:
    """Run the stages that are not done yet according to the manifest of `out`, up to `until`.

    The stage `redo`, and everything that depends on it, is discarded first. Raises `PipelineError`
    if `out` holds a run of another config, or if a stage cannot be carried out.
    """
    if until is not None:
        _check_stage(until)
    devices.require(config.machine.device)
    directory = prepare(config, out)
    if redo is not None:
        forget(out, redo)
    if not directory.is_done("labels") and until not in STAGES[: STAGES.index("labels")]:
        # Notice a missing API key or package now, not after the hours of the earlier stages.
        readiness.require(config, until=until or STAGES[-1])
    _check_weights(config, directory, until or STAGES[-1])
    with directory.lock():
        for stage in STAGES:
            if not directory.is_done(stage):
                _make(config, directory, stage, progress=progress, again=True)
            if stage == until:
                break
    return directory


def train(config: RunConfig, out: RunPlace, *, progress: Progress) -> RunDirectory:
    """Make the stage `sae` with all processes that torchrun started, each of which calls this.

    Only the first of them writes. Raises `PipelineError` if an earlier stage is not done, or if the
    run's SAEs cannot be trained in this way.
    """
    from pipeline.sae.ranks import joined
    from pipeline.stages.sae import Trainings

    device = devices.of_this_process(config.machine.device)
    config = replace(config, machine=replace(config.machine, device=device))
    devices.require(device)
    directory = opened(out)
    _refuse_to_share(config, directory)
    directory = prepare(config, directory)
    _require_earlier(directory, Trainings.stage)
    together = joined(device)
    with torch_threads(config.machine):
        work = Trainings(config, directory, together)
        if together.first:
            with directory.lock():
                together.agreed(_missing(work, directory))
                if not directory.is_done(work.stage):
                    pieces.make(work, directory, progress=progress)
        else:
            for piece in together.agreed(None):
                work.take_part(piece)
    return directory


def _missing(work: Pieces, directory: RunDirectory) -> list[str]:
    done = directory.is_done(work.stage)
    return [] if done else list(pieces.unfinished(work, directory))


def _refuse_to_share(config: RunConfig, directory: RunDirectory) -> None:
    """Raise `PipelineError` if several processes cannot train the run's SAEs together."""
    if config.machine.online:
        raise PipelineError(
            "torchrun: every process would compute all activations of a run that does not store "
            "them; run without --online"
        )
    if config.sae.checkpoint:
        raise PipelineError("torchrun: [sae] checkpoint is adopted, so there is nothing to train")
    if not (directory.begun and directory.is_done("activations")):
        raise PipelineError(
            f"torchrun trains SAEs only, and {directory} has no activations yet: first run "
            "the same command with python in place of torchrun, and --until activations"
        )


def execute_stage(
    config: RunConfig, out: RunPlace, stage: str, *, progress: Progress
) -> RunDirectory:
    """Run one stage; do nothing if the manifest says that it is done.

    Raises `PipelineError` if an earlier stage is not done.
    """
    _check_stage(stage)
    _require_device(config, stage)
    if stage == STAGES[0]:
        # Before anything is hashed. A worker asks this even though the site did when the run was
        # started: it may be another machine, and a package may have gone since.
        readiness.require(config)
    directory = prepare(config, out)
    if stage == STAGES[0]:
        _check_weights(config, directory, STAGES[-1])
    with directory.lock():
        _require_earlier(directory, stage)
        if not directory.is_done(stage):
            _make(config, directory, stage, progress=progress)
    return directory


def open_stage(config: RunConfig, out: RunPlace, stage: str) -> OpenStage | None:
    """A stage whose pieces may be made by several processes; None if it is done, or is one piece.

    Raises `PipelineError` if an earlier stage is not done.
    """
    _check_stage(stage)
    found = _carrying_out(config, stage)
    if not isinstance(found, type):
        return None
    _require_device(config, stage)
    directory = prepare(config, out)
    _require_earlier(directory, stage)
    return None if directory.is_done(stage) else OpenStage(config, directory, found)


class OpenStage:
    """A stage that falls into pieces, and is not done: for whoever makes some of them."""

    def __init__(self, config: RunConfig, directory: RunDirectory, kind: type[Pieces]) -> None:
        self._config, self._directory = config, directory
        self._work = kind(config, directory)

    def begin(self) -> None:
        """Start an attempt: what lacked something is made again. Raises `BusyError` if somebody
        works on the run."""
        with self._directory.lock():
            pieces.forget_incomplete(self._work, self._directory)

    @property
    def unit(self) -> str:
        """What sizes count, such as "track"."""
        return self._work.unit

    def sizes(self) -> Mapping[str, int]:
        """The size of every piece."""
        return self._work.sizes()

    def unfinished(self) -> dict[str, int]:
        """Name and size of the pieces that are not finished."""
        return pieces.unfinished(self._work, self._directory)

    def ready(self, missing: Mapping[str, int]) -> dict[str, int]:
        """Those of the pieces that are not finished which need no other of them."""
        return pieces.ready(self._work, missing)

    def make(self, piece: str, advance: Advance) -> None:
        """Make one piece, unless it or the stage is finished. Raises `BusyError` if somebody works
        on the run who does not only make pieces, `PipelineError` if an earlier stage was discarded.
        """
        with self._directory.lock(shared=True), torch_threads(self._config.machine):
            # Between two pieces of a worker, somebody else may have closed the stage or redone one.
            if self._directory.is_done(self._work.stage):
                return
            _require_earlier(self._directory, self._work.stage)
            if not pieces.is_finished(self._work, self._directory, piece):
                pieces.make_piece(self._work, self._directory, piece, advance)


def measure(directory: RunDirectory, *, progress: Progress) -> None:
    """Measure the SAEs of a run, as `python -m pipeline quality` does.

    Raises `PipelineError` as `pipeline.stages.quality.quality` does.
    """
    from pipeline.stages.quality import quality

    quality(directory, progress=progress)


def evaluate_steering(directory: RunDirectory, *, progress: Progress, **settings: Any) -> None:
    """Measure what steering does, as `python -m pipeline steer DIR --evaluate` does; `settings` are
    those of `pipeline.steering.settings.EvaluationConfig`.

    Raises `PipelineError` as `pipeline.stages.steering_evaluation.evaluate` does.
    """
    from pipeline.stages.steering_evaluation import evaluate
    from pipeline.steering.settings import EvaluationConfig

    evaluate(EvaluationConfig(**settings), directory, progress=progress)


def _require_device(config: RunConfig, stage: str) -> None:
    """Raise `PipelineError` if the stage computes on the config's device, and it is not here: a
    site's workers without a GPU make the other stages."""
    if stage not in WITHOUT_DEVICE:
        devices.require(config.machine.device)


def _check_weights(config: RunConfig, directory: RunDirectory, until: str) -> None:
    """Raise `PipelineError` if a model lacks a tensor, before hours are spent on earlier stages."""
    due = [stage for stage in STAGES[: STAGES.index(until) + 1] if not directory.is_done(stage)]
    if "activations" in due[1:]:
        from pipeline.subjects import transformers_backend

        transformers_backend.check(config.subject)
    if config.sae.checkpoint and "sae" in due:
        from pipeline.stages import adoption
        from pipeline.subjects.sources import stated_width

        has_stream = config.subject.control in ("none", "random")
        adoption.check(config, stated_width(config.subject.model) if has_stream else None)
    uses_clap = "clap" in directory.description("identity")["identity"]
    if uses_clap and config.clap.backend == "transformers" and {"labels", "scores"} & set(due[1:]):
        from pipeline.clap import transformers_backend as clap_backend
        from pipeline.clap.backends import model_of

        clap_backend.check(model_of(config.clap))


def _carrying_out(config: RunConfig, stage: str) -> Any:
    """What carries out a stage of this run: a function, or a class of pieces."""
    # An SAE that was trained elsewhere takes the place of those that a run trains.
    adopts = stage == "sae" and config.sae.checkpoint
    return resolve(STAGE_FUNCTIONS | ({"sae": ADOPTION} if adopts else {}), stage, "stage")


def _make(
    config: RunConfig,
    directory: RunDirectory,
    stage: str,
    *,
    progress: Progress,
    again: bool = False,
) -> None:
    """Run a stage; with `again`, make pieces again for which something was missing."""
    found = _carrying_out(config, stage)
    if isinstance(found, type):
        work = found(config, directory)
        if again:
            pieces.forget_incomplete(work, directory)
        with torch_threads(config.machine):
            pieces.make(work, directory, progress=progress)
        return
    found(config, directory, progress=progress)


def forget(out: RunPlace, stage: str) -> tuple[str, ...]:
    """Discard a finished stage and everything that depends on it, so that the next call re-runs it.

    This discards the later stages, what separate commands made from one of them (`MADE_OF`), and
    the same stages of the controls under `recovery/`, which are only comparable if they were made
    in the same way. Paid answers from Gemini stay in its ledger. Returns the discarded stages of
    the run itself, in order. Raises `PipelineError` if the stage is not done, `BusyError` if a
    process is working on the run.
    """
    _check_stage(stage)
    directory = opened(out)
    if not directory.is_done(stage):
        raise PipelineError(f"stage {stage} of {directory} is not done: nothing to redo")
    after = STAGES[STAGES.index(stage) :]
    after += tuple(made for made, of in MADE_OF.items() if of in after)
    with directory.lock():
        # Controls first: if killed in between, the stage is still done and can be forgotten again.
        for control in directory.nested():
            with control.lock():
                control.forget(after)
        forgotten = tuple(name for name in after if directory.is_done(name))
        directory.forget(forgotten)
    return forgotten


def prepare(config: RunConfig, out: RunPlace) -> RunDirectory:
    """The run directory at `out`: a new one is started, an existing one must have this config.

    Raises `PipelineError`, saying what differs, if it is not.
    """
    corpus_print = corpus_fingerprint(config.corpus)
    subject_print = subject_fingerprint(config.subject)
    parts = identity(
        config,
        corpus_fingerprint=corpus_print,
        subject_fingerprint=subject_print,
        outside=outside_fingerprints(config),
        checkpoint_fingerprint=checkpoint_fingerprint(config.sae),
    )
    directory = opened(out)
    if config.machine.online:
        from pipeline.subjects import online

        online.require(config)
        directory.computed = online.OnlineShards(config, directory)
    if directory.begun:
        _refuse_another(directory, parts)
        return directory
    directory.begin(
        {
            "config": config.to_dict(),
            "key": key_of(parts),
            "identity": parts,
            "subject_fingerprint": subject_print,
            "corpus_fingerprint": corpus_print,
            "seeds": config.seeds(),
            "versions": library_versions(),
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
    )
    return directory


def library_versions() -> dict[str, str]:
    """Versions of Python and the libraries that can change a number, "absent" if not installed."""
    versions = {"python": python_version()}
    for package in RECORDED_PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "absent"
    return versions


def _require_earlier(directory: RunDirectory, stage: str) -> None:
    for earlier in STAGES[: STAGES.index(stage)]:
        if not directory.is_done(earlier):
            raise PipelineError(f"stage {stage} needs stage {earlier}, which is not done")


def _check_stage(stage: str) -> None:
    if stage not in STAGES:
        raise PipelineError(f"unknown stage {stage!r}; known: {', '.join(STAGES)}")


def _refuse_another(directory: RunDirectory, parts: dict[str, Any]) -> None:
    """Raise `PipelineError` if the identity of the run in `directory` differs from `parts`."""
    theirs = _flat(directory.description("identity")["identity"])
    ours = _flat(parts)
    differing = [
        f"{name} ({theirs.get(name, 'absent')} there, {ours.get(name, 'absent')} here)"
        for name in sorted(theirs.keys() | ours.keys())
        if theirs.get(name) != ours.get(name)
    ]
    if differing:
        raise PipelineError(
            f"{directory} holds a run of another config, which was not touched; "
            f"what differs: {'; '.join(differing)}. Give another --out, or delete it."
        )


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested dict flattened into one level with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat
