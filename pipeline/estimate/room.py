"""Whether this machine can hold one run or several, asked before anything starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pipeline import devices
from pipeline.config import RunConfig
from pipeline.errors import PipelineError
from pipeline.estimate.machine import unmeasured
from pipeline.estimate.stages import StageCost, fault_of, stage_costs
from pipeline.store.run_directory import RunDirectory


def require_room(
    runs: Mapping[Path | str, RunConfig], *, until: str | None = None, redo: str | None = None
) -> None:
    """Raise `PipelineError`, one line, if by the estimate the memory or disk of this machine cannot
    hold the stages of `runs` that are not done, or are from `redo` on, up to `until`.

    The runs, by their places, are made one after another and lie in one file system (those in a
    store have their copies here). What cannot be estimated is not counted: an SAE, subject or
    corpus that is not here.
    """
    place, config = next(iter(runs.items()))
    if devices.fault_of(config.machine.device):
        return  # which the run will say
    machine = unmeasured(config.machine, RunDirectory(place).path)
    costs: list[StageCost] = []
    for out, one in runs.items():
        directory = RunDirectory(out)
        with suppress(PipelineError):
            due = _due(one, directory, until, redo)
            there = _bytes_there(directory, [cost.stage for cost in due])
            costs += due
            machine = replace(machine, disk=machine.disk + there)
    fault = fault_of(costs, machine)
    if fault:
        raise PipelineError(
            f"{fault}; python -m pipeline estimate prints what each stage takes, and run --anyway "
            "starts all the same"
        )


def _due(
    config: RunConfig, directory: RunDirectory, until: str | None, redo: str | None
) -> list[StageCost]:
    """What the stages will take that are still to be made; raises `PipelineError` if that cannot be
    estimated."""
    costs = stage_costs(
        config, unmeasured(config.machine, directory.path), tracks=_usable(directory)
    )
    names = [one.stage for one in costs]
    last = names.index(until) if until else len(names)
    first = names.index(redo) if redo else len(names)
    return [
        one
        for place, one in enumerate(costs)
        if place <= last and (place >= first or not directory.is_done(one.stage))
    ]


def _usable(directory: RunDirectory) -> int | None:
    """Number of usable tracks, if the stage `corpus` has counted them."""
    if not directory.is_done("corpus"):
        return None
    return sum(directory.stated("corpus", "usable", dict).values())


def _bytes_there(directory: RunDirectory, stages: Sequence[str]) -> int:
    """What these stages have on disk already: finished pieces, and files that will be replaced."""
    entries = directory.manifest()["stages"]
    names = {name for stage in stages for name in entries.get(stage, {"files": {}})["files"]}
    for stage in stages:
        names |= {name for piece in directory.scratch(stage).pieces() for name in piece.files}
    found = 0
    for name in names:
        with suppress(OSError):
            found += (directory.path / name).stat().st_size  # of a store: what is copied here
    return found
