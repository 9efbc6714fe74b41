"""The SAEs of one run or several, joined into one sweep.

Runs may differ in subject, hookpoints, expansions and k. They are refused if they differ in what
makes their numbers comparable with one another: the corpus and its split, the filter, the number of
exemplars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from pipeline.config import FeaturesConfig
from pipeline.config.sections import parse_hookpoint
from pipeline.errors import PipelineError
from pipeline.sae.checkpoint import read_facts, shape_of
from pipeline.store.run_directory import RunDirectory, RunPlace, opened

CONTROLS = {
    "random": "random weights",
    "phase-randomised-corpus": "phase-randomised corpus",
    "codec-latents": "codec latents",
    "mel-spectrogram": "mel spectrogram",
}
"""What a run's `[subject] control` is called in a table."""
SHARED = {"corpus": "the corpus or its split", "features": "the filter", "exemplars": "exemplars"}
"""Sections of the config that all runs of a sweep share, and what a refusal calls them."""
ONLY_HERE = {"corpus": ("path",), "features": ("neighbours", "preset")}
"""Keys of these sections that change none of the tables here."""


@dataclass(frozen=True)
class Run:
    """One run of a sweep."""

    directory: RunDirectory
    model: str
    """The subject's name in tables, with its control if it is one."""
    config: Mapping[str, Any]
    """As in `run.json`."""
    filter: FeaturesConfig
    corpus: str
    """Fingerprint of the corpus."""
    key: str


@dataclass(frozen=True)
class Sae:
    """One SAE of a sweep, by what the paper's tables are laid out by."""

    run: Run
    name: str
    hookpoint: str
    expansion: float
    """Latents over dimensions; whole for every SAE that a run trains."""
    latents: int
    k: int

    @property
    def model(self) -> str:
        """The subject's name in tables."""
        return self.run.model

    @property
    def layer(self) -> str:
        """The block, counted from 0 as in the paper, with "pre" if the SAE reads its input."""
        block, site = parse_hookpoint(self.hookpoint)
        return f"{block}pre" if site == "resid_pre" else str(block)

    def columns(self, relative: str, *names: str) -> list[Any]:
        """Columns [row] of a table of the run as arrays; raises `PipelineError` if it lacks one."""
        table = self.run.directory.read_table(relative)
        if missing := [name for name in names if name not in table.column_names]:
            raise PipelineError(f"{relative} of {self.run.directory} lacks {missing[0]}")
        return [table.column(name).to_numpy() for name in names]

    @property
    def place(self) -> tuple[Any, ...]:
        """What SAEs of one model are sorted by: depth, then k, then expansion, as in Table 1."""
        block, site = parse_hookpoint(self.hookpoint)
        return block, site == "resid_post", self.k, self.expansion


@dataclass(frozen=True)
class Sweep:
    """Runs joined: their SAEs sorted by model as given, then by layer, k and expansion."""

    runs: tuple[Run, ...]
    saes: tuple[Sae, ...]

    @property
    def models(self) -> tuple[str, ...]:
        """The subjects' names, in the order of the runs."""
        return tuple(dict.fromkeys(sae.model for sae in self.saes))

    def of(self, model: str) -> tuple[Sae, ...]:
        """The SAEs of one subject."""
        return tuple(sae for sae in self.saes if sae.model == model)

    def layers(self, model: str) -> tuple[str, ...]:
        """The layers of one subject, in depth order."""
        return tuple(dict.fromkeys(sae.layer for sae in self.of(model)))


def join(places: Sequence[RunPlace]) -> Sweep:
    """The sweep of the runs at `places`.

    Raises `PipelineError` if one is no run or has no features yet, if two of them hold the same
    SAE, or if their numbers could not stand in one table.
    """
    found = {str(run): run for place in places for run in runs_in(place)}
    runs = _named([_read(directory) for directory in found.values()])
    for other in runs[1:]:
        _refuse_different(runs[0], other)
    models = list(dict.fromkeys(run.model for run in runs))
    saes = [sae for run in runs for sae in _saes(run)]
    _refuse_twice(saes)
    saes.sort(key=lambda sae: (models.index(sae.model), sae.place))
    return Sweep(tuple(runs), tuple(saes))


def runs_in(place: RunPlace) -> list[RunDirectory]:
    """The run at `place`, or the runs in its subfolders, as a config with [sweep] makes them, in
    the order in which they were begun."""
    directory = opened(place)
    if directory.begun:
        return [directory]
    inside = (directory.within(name) for name in directory.files.names())
    found = [run for run in inside if run.begun]
    begun = {str(run): str(run.description().get("created_at", "")) for run in found}
    return sorted(found, key=lambda run: begun[str(run)]) or [directory]


def _read(directory: RunDirectory) -> Run:
    described = directory.description("config", "key")
    if not directory.is_done("features"):
        raise PipelineError(f"stage features of {directory} is not done: no features to count")
    return Run(
        directory=directory,
        model=_model(described["config"]),
        config=described["config"],
        filter=_filter(described["config"]),
        corpus=str(described.get("corpus_fingerprint", "")),
        key=described["key"],
    )


def _filter(config: Mapping[str, Any]) -> FeaturesConfig:
    """The section [features], without keys that this version does not know."""
    known = [field.name for field in fields(FeaturesConfig)]
    values = config.get("features") or {}
    return FeaturesConfig(**{key: value for key, value in values.items() if key in known})


def _model(config: Mapping[str, Any]) -> str:
    """Such as "musicgen-small", or "musicgen-small (random weights)"."""
    subject = config["subject"]
    name = str(subject["model"]).rstrip("/").rpartition("/")[2]
    control = subject.get("control", "none")
    return name if control == "none" else f"{name} ({CONTROLS.get(control, control)})"


def _named(runs: Sequence[Run]) -> list[Run]:
    """The runs, with the folder's name added where two different subjects have one name."""
    prints: dict[str, set[str]] = {}
    for run in runs:
        prints.setdefault(run.model, set()).add(_subject(run))
    return [
        run
        if len(prints[run.model]) == 1
        else replace(run, model=f"{run.model} ({run.directory.path.name})")
        for run in runs
    ]


def _subject(run: Run) -> str:
    found: str = run.directory.description("subject_fingerprint")["subject_fingerprint"]
    return found


def _refuse_different(one: Run, other: Run) -> None:
    """Raise `PipelineError` naming what makes the numbers of two runs incomparable."""
    if one.corpus != other.corpus:
        raise PipelineError(
            f"{one.directory} and {other.directory} have different corpora; "
            "runs that are joined must share one"
        )
    for section, meaning in SHARED.items():
        ours, theirs = (_section(run, section) for run in (one, other))
        if differing := sorted(key for key in ours | theirs if ours.get(key) != theirs.get(key)):
            raise PipelineError(
                f"{one.directory} and {other.directory} differ in {meaning} "
                f"([{section}] {', '.join(differing)}); runs that are joined must share it"
            )


def _section(run: Run, section: str) -> dict[str, Any]:
    """A section of a run's config without what changes no table."""
    left_out = ONLY_HERE.get(section, ())
    values = run.config.get(section) or {}
    return {key: value for key, value in values.items() if key not in left_out}


def _saes(run: Run) -> list[Sae]:
    found = []
    for name in run.directory.sae_names():
        d, n, k = shape_of(run.directory, name)
        hookpoint = read_facts(run.directory, name).hookpoint
        found.append(Sae(run, name, hookpoint, n / d, n, k))
    return found


def _refuse_twice(saes: Sequence[Sae]) -> None:
    seen: dict[tuple[Any, ...], Sae] = {}
    for sae in saes:
        first = seen.setdefault((sae.model, sae.place), sae)
        if first is not sae:
            raise PipelineError(
                f"{sae.name} of {sae.model} is in {first.run.directory} and in "
                f"{sae.run.directory}: a table has one number for it, so give one of them"
            )
