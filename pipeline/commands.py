"""What each command of `python -m pipeline` does with its arguments; `__main__` reads those.

Whatever is heavy is imported by the command that needs it, so that `--help` stays quick.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline import devices
from pipeline.config import RunConfig, config_from_dict, load_config, load_sweep
from pipeline.errors import PipelineError
from pipeline.progress import SilentProgress, TqdmProgress
from pipeline.run import execute, train
from pipeline.store.run_directory import RunDirectory


def run(options: argparse.Namespace) -> int:
    """Carry out a run, or each run of a sweep over subjects."""
    runs = {
        _inside(options.out, name): _with_options(config, options)
        for name, config in load_sweep(options.config).items()
    }
    if not options.anyway and not devices.is_under_torchrun():
        from pipeline.estimate.room import require_room

        until = "activations" if options.sweep else options.until
        require_room(runs, until=until, redo=options.redo)
    for out, config in runs.items():
        if out != options.out and devices.is_first():
            print(f"{out}:")
        _run_one(config, out, options)
    return 0


def _with_options(config: RunConfig, options: argparse.Namespace) -> RunConfig:
    if options.corpus is not None:
        config = config.with_corpus(options.corpus)
    if options.online:
        config = replace(config, machine=replace(config.machine, online=True))
    return config


def _run_one(config: RunConfig, out: Path | str, options: argparse.Namespace) -> None:
    until = "activations" if options.sweep else options.until
    if devices.is_under_torchrun():
        directory = _train(config, out, options)
    else:
        directory = execute(config, out, progress=TqdmProgress(), until=until, redo=options.redo)
    if options.sweep:
        from pipeline.stages.sweep import lines, sweep

        print("\n".join(lines(sweep(config, directory, progress=TqdmProgress()))))
        return
    if devices.is_first():
        for stage, entry in directory.manifest()["stages"].items():
            print(f"{stage:12} {entry['seconds']:8.1f} s  {len(entry['files'])} files")


def _train(config: RunConfig, out: Path | str, options: argparse.Namespace) -> RunDirectory:
    if options.sweep or options.redo or options.until != "sae":
        raise PipelineError(
            "torchrun trains the SAEs of a run and nothing else: give --until sae, and neither "
            "--sweep nor --redo (which python -m pipeline run has, with --until activations)"
        )
    progress = TqdmProgress() if devices.is_first() else SilentProgress()
    return train(config, out, progress=progress)


def adopt(options: argparse.Namespace) -> int:
    """Make a run of an SAE that another library trained."""
    sae = {"checkpoint": _place(options.checkpoint), "checkpoint_hook": options.hook}
    subject = {"model": _place(options.subject), "hookpoints": [options.hookpoint]}
    given: dict[str, dict[str, Any]] = {"subject": subject, "sae": sae}
    if options.config is None:
        config = config_from_dict(given)
    else:
        config = load_config(options.config, given)
    if options.corpus is not None:
        config = config.with_corpus(options.corpus)
    directory = execute(config, options.out, progress=TqdmProgress(), until=options.until)
    for name in directory.sae_names() if directory.is_done("sae") else ():
        print(f"{directory}: adopted as {name}")
    return 0


def _inside(place: Path | str, name: str) -> Path | str:
    """A folder in a folder or a store; the place itself without a name."""
    if isinstance(place, Path):
        return place / name
    return f"{place.rstrip('/')}/{name}" if name else place


def _place(name: str) -> str:
    """A folder of this machine as an absolute path; a name on the model hub as it is."""
    folder = Path(name).expanduser()
    return str(folder.resolve()) if folder.is_dir() else name


def recovery(options: argparse.Namespace) -> int:
    """Report which planted concepts the features recovered."""
    from pipeline.recovery.report import print_report, write_json
    from pipeline.recovery.table import recover

    result = recover(
        options.dir,
        control=options.control,
        probe=options.probe,
        progress=TqdmProgress(),
        device=options.device,
    )
    print_report(result)
    if options.benchmark:
        _benchmark(options.dir, options.device)
    if options.json is not None:
        write_json(result, options.json)
    return 0


def _benchmark(directory: Path | str, device: str | None) -> None:
    from pipeline.recovery.benchmark import benchmark
    from pipeline.recovery.benchmark_report import benchmark_lines

    print()
    for line in benchmark_lines(benchmark(directory, progress=TqdmProgress(), device=device)):
        print(line)


def verify(options: argparse.Namespace) -> int:
    """Print what is wrong with a run; 1 if anything is."""
    from pipeline.verify import verify

    problems = verify(
        options.dir,
        progress=TqdmProgress(),
        sample=options.sample,
        corpus=options.corpus,
        device=options.device,
    )
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems" if problems else "no problems", file=sys.stderr)
    return 1 if problems else 0


def quality(options: argparse.Namespace) -> int:
    """Measure what a subject loses with its SAEs."""
    from pipeline.stages.quality import lines, quality

    records = quality(
        RunDirectory(options.dir),
        progress=TqdmProgress(),
        tracks=options.tracks,
        device=options.device,
    )
    print("\n".join(lines(records)))
    return 0


def convert(options: argparse.Namespace) -> int:
    """Write a subject in the other library’s layout."""
    from pipeline.subjects.convert import convert

    convert(_place(options.model), options.out, options.to)
    print(f"{options.out}: written in the layout of {options.to}")
    return 0


def paper(options: argparse.Namespace) -> int:
    """Make the paper's tables and figures."""
    from pipeline.paper.build import build

    page = build(
        options.runs,
        options.out,
        probe=options.probe,
        permutations=options.permutations,
        progress=TqdmProgress(),
    )
    print(page)
    return 0


def estimate(options: argparse.Namespace) -> int:
    """Print what each stage takes; refuse what does not fit."""
    from pipeline.estimate.machine import machine_of
    from pipeline.estimate.stages import assumption, fault_of, lines, stage_costs
    from pipeline.store.run_directory import opened

    faults = []
    for name, config in load_sweep(options.config).items():
        config = config if options.corpus is None else config.with_corpus(options.corpus)
        machine = machine_of(
            config.machine,
            opened(options.out).path,
            tflops=options.tflops,
            memory_gb=options.device_memory,
        )
        costs = stage_costs(config, machine, tracks=options.tracks)
        if name:
            print(f"{name}:")
        print("\n".join([*lines(costs, machine, price=options.price), assumption(config)]))
        faults += [fault for fault in [fault_of(costs, machine)] if fault]
    if faults:
        raise PipelineError(faults[0])
    return 0


def steer(options: argparse.Namespace) -> int:
    """Generate steered clips, or evaluate interventions."""
    from pipeline.steering.settings import SteeringConfig

    only_evaluated = ("sae", "rows", "random_directions", "horizons")
    for name in () if options.evaluate else only_evaluated:
        if getattr(options, name) is not None:
            raise PipelineError(f"--{name.replace('_', '-')} needs --evaluate")
    if options.forget and options.horizons is None:
        raise PipelineError("--forget needs --horizons")
    chosen = _steering_settings(options)
    directory, progress = RunDirectory(options.dir), TqdmProgress()
    if options.evaluate:
        _evaluate_steering(options, chosen, directory, progress)
        return 0
    from pipeline.stages.steering import steer

    steer(SteeringConfig(**chosen), directory, progress=progress, device=options.device)
    print(f"{directory}/steering: clips with and without steering")
    return 0


def _steering_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of a steering's config that options name."""
    named = (
        "features", "prompt", "seconds", "takes", "halves", "seed", "when", "beta_quantile",
        "method", "pairs", "rows", "random_directions", "layer",
    )  # fmt: skip
    chosen = {name: getattr(options, name) for name in named if getattr(options, name) is not None}
    if options.stratify:
        chosen["stratify"] = True
    lists = {
        "alpha": "alphas", "intervention": "interventions", "schedule": "schedule", "sae": "saes",
    }  # fmt: skip
    for option, name in lists.items():
        if getattr(options, option):
            chosen[name] = tuple(getattr(options, option))
    return chosen


def _evaluate_steering(
    options: argparse.Namespace,
    chosen: dict[str, Any],
    directory: RunDirectory,
    progress: TqdmProgress,
) -> None:
    """Evaluate dose slopes, or with `--horizons` what remains afterwards, and print the table."""
    from pipeline.stages import steering_evaluation, steering_horizons
    from pipeline.steering import table
    from pipeline.steering.horizons import table as horizons
    from pipeline.steering.settings import EvaluationConfig, HorizonsConfig

    device = options.device
    if options.horizons is None:
        slopes = EvaluationConfig(**chosen)
        steering_evaluation.evaluate(slopes, directory, progress=progress, device=device)
        print("\n".join(table.lines(directory)))
    else:
        config = HorizonsConfig(**chosen, stop=options.horizons, forget=options.forget)
        steering_horizons.evaluate_horizons(config, directory, progress=progress, device=device)
        print("\n".join(horizons.lines(directory)))


def find(options: argparse.Namespace) -> int:
    """Print the features nearest to a query in words."""
    from pipeline.clap import backends
    from pipeline.recovery import queries
    from pipeline.scorers.meaning import embedded, found, meanings

    directory = RunDirectory(options.dir)
    config = config_from_dict(directory.description("config")["config"])
    if options.clap:
        config = replace(config, clap=replace(config.clap, model=options.clap))
    model = backends.load(config.clap)
    query = None if options.planted else embedded(options.query, model)
    all_ = meanings(config, directory, progress=TqdmProgress())
    if query is None:
        print("\n".join(queries.lines(queries.queries(directory, all_, model), all_)))
        return 0
    print(f"{'feature':<24} {'nearest label':<32} by label by sound")
    for one in found(all_, query, by=options.by, most=options.top):
        label = f"{one.label} ({one.method})" if one.label else "none"
        print(f"{one.feature:<24} {label:<32} {one.label_cosine:>8.3f} {one.sound_cosine:>8.3f}")
    return 0


def listen(options: argparse.Namespace) -> int:
    """Print which features fire in a sound."""
    from pipeline.devices import on_device
    from pipeline.viewing.listening import listen

    directory, progress = RunDirectory(options.dir), TqdmProgress()
    config = config_from_dict(directory.description("config")["config"])
    if options.subject:
        config = replace(config, subject=replace(config.subject, model=_place(options.subject)))
    config = on_device(config, options.device, progress)
    heard = listen(config, directory, options.sound, progress=progress)
    print(f"{heard.firing} kept features fire in {heard.seconds:.1f} s; the strongest:")
    print(f"{'feature':<24} of its maximum  peak at  fires  when")
    for one in heard.features[: options.top]:
        when = ", ".join(f"{start:.2f}–{end:.2f}" for start, end in one.spans[:6])
        more = f" and {len(one.spans) - 6} more" if len(one.spans) > 6 else ""
        print(
            f"{one.feature:<24} {one.relative:>13.0%}  {one.peak_seconds:>5.2f} s  "
            f"{one.share:>5.0%}  {when} s{more}"
        )
    return 0


def bundle(options: argparse.Namespace) -> int:
    """Write chosen features as pages that open without a server."""
    from pipeline.files.text import lines_of, read_text
    from pipeline.viewing.bundle import bundle

    directory = RunDirectory(options.dir)
    config = config_from_dict(directory.description("config")["config"])
    named = [*options.feature]
    if options.features is not None:
        named += [line.strip() for line in lines_of(read_text(options.features)) if line.strip()]
    progress = TqdmProgress()
    page = bundle(config, directory, named, options.out, title=options.title, progress=progress)
    print(page)
    return 0
