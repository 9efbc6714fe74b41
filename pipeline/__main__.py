"""The command line: `python -m pipeline run | estimate | adopt | recovery | verify | steer | …`.

An error is one line on standard error, with exit code 2.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline import devices
from pipeline.config import RunConfig, config_from_dict, load_config, load_sweep
from pipeline.errors import PipelineError
from pipeline.parallel import keep_freed_memory
from pipeline.progress import SilentProgress, TqdmProgress
from pipeline.run import STAGES, execute, train
from pipeline.store.remote import is_url
from pipeline.store.run_directory import RunDirectory

RUN = "a run directory, or the URL of one in a store, such as s3://BUCKET/PREFIX"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    keep_freed_memory()
    options = _parser().parse_args(arguments)
    try:
        if devices.is_under_torchrun() and options.command is not _run:
            raise PipelineError("torchrun is for the command run only: give python -m pipeline")
        code: int = options.command(options)
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "interrupted; run the same command again to continue after what is finished",
            file=sys.stderr,
        )
        return 130
    return code


def _run(options: argparse.Namespace) -> int:
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


def _adopt(options: argparse.Namespace) -> int:
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


def _run_at(text: str) -> Path | str:
    """Where a run is: a folder, or the URL of a store as it is."""
    return text if is_url(text) else Path(text)


def _inside(place: Path | str, name: str) -> Path | str:
    """A folder in a folder or a store; the place itself without a name."""
    if isinstance(place, Path):
        return place / name
    return f"{place.rstrip('/')}/{name}" if name else place


def _place(name: str) -> str:
    """A folder of this machine as an absolute path; a name on the model hub as it is."""
    folder = Path(name).expanduser()
    return str(folder.resolve()) if folder.is_dir() else name


def _recovery(options: argparse.Namespace) -> int:
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


def _verify(options: argparse.Namespace) -> int:
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


def _quality(options: argparse.Namespace) -> int:
    from pipeline.stages.quality import lines, quality

    records = quality(
        RunDirectory(options.dir),
        progress=TqdmProgress(),
        tracks=options.tracks,
        device=options.device,
    )
    print("\n".join(lines(records)))
    return 0


def _convert(options: argparse.Namespace) -> int:
    from pipeline.subjects.convert import convert

    model = Path(options.model).expanduser()
    convert(str(model.resolve()) if model.is_dir() else options.model, options.out, options.to)
    print(f"{options.out}: written in the layout of {options.to}")
    return 0


def _paper(options: argparse.Namespace) -> int:
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


def _estimate(options: argparse.Namespace) -> int:
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


def _steer(options: argparse.Namespace) -> int:
    from pipeline.steering.settings import EvaluationConfig, SteeringConfig

    for name in () if options.evaluate else ("sae", "rows", "random_directions"):
        if getattr(options, name) is not None:
            raise PipelineError(f"--{name.replace('_', '-')} needs --evaluate")
    named = (
        "features", "prompt", "seconds", "takes", "halves", "seed", "when", "beta_quantile",
        "method", "pairs", "rows", "random_directions",
    )  # fmt: skip
    chosen = {name: getattr(options, name) for name in named if getattr(options, name) is not None}
    lists = {
        "alpha": "alphas", "intervention": "interventions", "schedule": "schedule", "sae": "saes",
    }  # fmt: skip
    for option, name in lists.items():
        if getattr(options, option):
            chosen[name] = tuple(getattr(options, option))
    directory, progress = RunDirectory(options.dir), TqdmProgress()
    if options.evaluate:
        from pipeline.stages.steering_evaluation import evaluate
        from pipeline.steering.table import lines

        evaluate(EvaluationConfig(**chosen), directory, progress=progress, device=options.device)
        print("\n".join(lines(directory)))
        return 0
    from pipeline.stages.steering import steer

    steer(SteeringConfig(**chosen), directory, progress=progress, device=options.device)
    print(f"{directory}/steering: clips with and without steering")
    return 0


def _find(options: argparse.Namespace) -> int:
    from pipeline.clap import backends
    from pipeline.recovery import queries
    from pipeline.scorers.meaning import embedded, found, meanings
    from pipeline.store.run_directory import RunDirectory

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


def _listen(options: argparse.Namespace) -> int:
    from pipeline.devices import on_device
    from pipeline.store.run_directory import RunDirectory
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


def _bundle(options: argparse.Namespace) -> int:
    from pipeline.files.text import lines_of, read_text
    from pipeline.store.run_directory import RunDirectory
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


def _point(text: str) -> tuple[float, float]:
    """SECONDS:WEIGHT; raises `ValueError` for anything else."""
    seconds, weight = text.split(":")
    return float(seconds), float(weight)


def _count(text: str) -> int:
    """A whole number of 0 or more; raises `ValueError` for anything else."""
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def _add_adopt(commands: Any) -> None:
    adopted = commands.add_parser(
        "adopt",
        help="a run with an SAE that SAELens, sparsify or dictionary_learning trained and saved",
    )
    adopted.add_argument(
        "checkpoint", metavar="CHECKPOINT",
        help="its folder, or OWNER/NAME or OWNER/NAME/FOLDER on the model hub",
    )  # fmt: skip
    adopted.add_argument("--subject", required=True, metavar="MODEL", help="what it was trained on")
    adopted.add_argument(
        "--hookpoint", required=True, metavar="H",
        help="where it reads, e.g. decoder.layers.3.resid_post",
    )  # fmt: skip
    adopted.add_argument(
        "--hook", default="", metavar="NAME",
        help="what the checkpoint calls that place, if Earwitness does not know the name",
    )  # fmt: skip
    adopted.add_argument("--out", type=_run_at, required=True, metavar="DIR", help=RUN)
    adopted.add_argument(
        "--config", type=Path, metavar="CONFIG.toml",
        help="corpus, filter, methods and machine, as for run; its [subject] and [sae] give way",
    )  # fmt: skip
    adopted.add_argument("--corpus", type=Path, metavar="DIR", help="overrides [corpus] path")
    adopted.add_argument(
        "--until", choices=STAGES, metavar="STAGE",
        help=f"the last stage to run: {', '.join(STAGES)}",
    )  # fmt: skip
    adopted.set_defaults(command=_adopt)


def _add_estimate(commands: Any) -> None:
    command = commands.add_parser(
        "estimate", help="hours, bytes, memory and dollars of each stage, before anything starts"
    )
    command.add_argument("config", type=Path, metavar="CONFIG.toml")
    command.add_argument("--corpus", type=Path, metavar="DIR", help="overrides [corpus] path")
    command.add_argument(
        "--tracks", type=_count, metavar="N", help="number of tracks, if the corpus is not here"
    )
    command.add_argument(
        "--out", type=_run_at, default=Path(), metavar="DIR",
        help="where the run will be, for the free disk (default: this folder)",
    )  # fmt: skip
    command.add_argument(
        "--tflops", type=_positive, metavar="T",
        help="speed of another device in fp32, in place of what is measured here",
    )  # fmt: skip
    command.add_argument(
        "--device-memory", type=_positive, metavar="GB", help="memory of that device"
    )
    command.add_argument(
        "--price", type=float, default=0.0, metavar="D", help="dollars per hour of the machine"
    )
    command.set_defaults(command=_estimate)


def _add_find(commands: Any) -> None:
    command = commands.add_parser(
        "find", help="find features by meaning: a query in words, compared by the run's CLAP"
    )
    command.add_argument("dir", type=_run_at, metavar="DIR", help=f"{RUN}, with labels")
    command.add_argument("query", nargs="?", default="", help="such as 'plucked strings'")
    command.add_argument(
        "--by", choices=("label", "sound"), default="label",
        help="order by the nearest label, or by the exemplars' sound (default: label)",
    )  # fmt: skip
    command.add_argument(
        "--top", type=_count, default=10, metavar="N", help="how many features (default: 10)"
    )
    command.add_argument(
        "--planted", action="store_true",
        help="query every planted concept that a kept feature detects: where does it come?",
    )  # fmt: skip
    command.add_argument("--clap", metavar="MODEL", help="another CLAP, or where it lies here")
    command.set_defaults(command=_find)


def _add_listen(commands: Any) -> None:
    command = commands.add_parser(
        "listen", help="send a sound of your own through a run's SAEs: what fires, and when"
    )
    command.add_argument("dir", type=_run_at, metavar="DIR", help=f"{RUN}, with features")
    command.add_argument("sound", type=Path, metavar="SOUND", help="0.5 to 30 seconds")
    command.add_argument(
        "--top", type=_count, default=10, metavar="N", help="how many features (default: 10)"
    )
    command.add_argument("--subject", metavar="MODEL", help="where the run's subject lies here")
    _add_device(command)
    command.set_defaults(command=_listen)


def _add_bundle(commands: Any) -> None:
    command = commands.add_parser(
        "bundle", help="chosen features as pages that open without a server, for a supplement"
    )
    command.add_argument("dir", type=_run_at, metavar="DIR", help=f"{RUN}, with labels")
    command.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="a new folder")
    command.add_argument(
        "--features", type=Path, metavar="FILE",
        help="one feature per line, such as a list downloaded from the site",
    )  # fmt: skip
    command.add_argument(
        "--feature", action="append", default=[], metavar="SAE/INDEX", help="repeatable"
    )
    command.add_argument("--title", default="", help="heading of the first page")
    command.set_defaults(command=_bundle)


def _positive(text: str) -> float:
    """A number above 0; raises `ValueError` for anything else."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError
    return number


def _add_device(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--device", metavar="DEVICE",
        help="cpu or cuda; default: the run's device, or cpu if this machine lacks it",
    )  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline", description=__doc__)
    commands = parser.add_subparsers(required=True)

    run = commands.add_parser("run", help="carry out a run, or continue one that was interrupted")
    run.add_argument("config", type=Path, metavar="CONFIG.toml")
    run.add_argument("--out", type=_run_at, required=True, metavar="DIR", help=RUN)
    run.add_argument("--corpus", type=Path, metavar="DIR", help="overrides [corpus] path")
    run.add_argument(
        "--until",
        choices=STAGES,
        metavar="STAGE",
        help=f"the last stage to run: {', '.join(STAGES)}",
    )
    run.add_argument(
        "--redo",
        choices=STAGES,
        metavar="STAGE",
        help="re-run this stage and the stages that depend on it",
    )
    run.add_argument(
        "--sweep", action="store_true",
        help="compare learning rates on validation frames after the stage activations, and end",
    )  # fmt: skip
    run.add_argument(
        "--online", action="store_true",
        help="do not store activations, but compute them when they are read; needs [sae] together",
    )  # fmt: skip
    run.add_argument(
        "--anyway", action="store_true",
        help="start even if, by the estimate, memory or disk cannot hold the run",
    )  # fmt: skip
    run.set_defaults(command=_run)

    _add_adopt(commands)

    measured = commands.add_parser(
        "quality",
        help="how well the SAEs reconstruct validation tracks, and what the subject loses",
    )
    measured.add_argument("dir", type=_run_at, metavar="DIR", help=RUN)
    measured.add_argument(
        "--tracks", type=_count, default=16, metavar="N",
        help="number of tracks on which the subject's loss is measured; 0 for none (default: 16)",
    )  # fmt: skip
    _add_device(measured)
    measured.set_defaults(command=_quality)

    recovery = commands.add_parser(
        "recovery", help="report which of the corpus's planted concepts the features recovered"
    )
    recovery.add_argument("dir", type=_run_at, metavar="DIR", help=RUN)
    recovery.add_argument(
        "--control", action=argparse.BooleanOptionalAction, default=True,
        help="also run the pipeline on a randomly initialised subject, for comparison",
    )  # fmt: skip
    recovery.add_argument(
        "--probe", action=argparse.BooleanOptionalAction, default=True,
        help="also train a linear probe per concept, as an upper bound",
    )  # fmt: skip
    recovery.add_argument(
        "--benchmark", action="store_true",
        help="also compare with every control, SAEs of other seeds, and the labels' names for the "
        "concepts",
    )  # fmt: skip
    recovery.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    _add_device(recovery)
    recovery.set_defaults(command=_recovery)

    check = commands.add_parser(
        "verify",
        help="check every hash, every hookpoint against its SAE, and a sample of activations",
    )
    check.add_argument("dir", type=_run_at, metavar="DIR", help=RUN)
    check.add_argument(
        "--sample", type=_count, default=3, metavar="N",
        help="number of tracks whose activations are recomputed; 0 for none",
    )  # fmt: skip
    check.add_argument("--corpus", type=Path, metavar="DIR", help="where the corpus is now")
    _add_device(check)
    check.set_defaults(command=_verify)

    steering = commands.add_parser("steer", help="generate music with and without steered features")
    _add_device(steering)
    steering.add_argument("dir", type=_run_at, metavar="DIR", help=f"{RUN}, with exemplars")
    steering.add_argument(
        "--features", type=int, metavar="N", help="number of features to draw per SAE"
    )
    steering.add_argument(
        "--alpha", type=float, action="append", help="steering strength; may be given repeatedly"
    )
    steering.add_argument("--prompt", metavar="TEXT", help='default: "Simple melody"')
    steering.add_argument("--seconds", type=float, help="length of each clip")
    steering.add_argument(
        "--takes", type=int, metavar="N", help="number of seeds per feature and alpha"
    )
    steering.add_argument(
        "--halves",
        choices=("both", "conditional", "unconditional"),
        help="steer both halves of the classifier-free guidance batch, or one",
    )
    steering.add_argument(
        "--intervention", action="append", metavar="NAME",
        help="what to do, a name in pipeline/steering/interventions.py; may be given repeatedly",
    )  # fmt: skip
    steering.add_argument(
        "--when", choices=("all", "prefill", "decode"),
        help="steer in all steps, in the first only, or in all but the first",
    )  # fmt: skip
    steering.add_argument(
        "--schedule", type=_point, action="append", metavar="SECONDS:WEIGHT",
        help="a point of the strength over time, interpolated; may be given repeatedly",
    )  # fmt: skip
    steering.add_argument(
        "--beta-quantile", type=float, metavar="Q",
        help="take this quantile over the exemplars for β; default: 1, the largest",
    )  # fmt: skip
    steering.add_argument(
        "--method", help="whose labels are the prompts and the texts to compare with"
    )
    steering.add_argument(
        "--pairs", metavar="FILE.toml",
        help="paired prompts for mean-difference, such as fixtures/steering_pairs.toml",
    )  # fmt: skip
    steering.add_argument(
        "--evaluate", action="store_true",
        help="measure what interventions do, beside random directions, and print the tables",
    )  # fmt: skip
    steering.add_argument(
        "--sae", action="append", metavar="NAME", help="with --evaluate: only this SAE; repeatable"
    )
    steering.add_argument(
        "--rows", type=int, metavar="N", help="with --evaluate: clips generated at once"
    )
    steering.add_argument(
        "--random-directions", type=int, metavar="N",
        help="with --evaluate: random directions that every feature is compared with",
    )  # fmt: skip
    steering.add_argument("--seed", type=int, help="seed for the draw of features and the music")
    steering.set_defaults(command=_steer)

    _add_estimate(commands)
    _add_find(commands)
    _add_listen(commands)
    _add_bundle(commands)

    paper = commands.add_parser(
        "paper", help="the paper's tables, figures and layer probe, from one run or several"
    )
    paper.add_argument(
        "runs", type=_run_at, nargs="+", metavar="RUN", help="a run, or a folder of runs"
    )
    paper.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write")
    paper.add_argument(
        "--probe", action=argparse.BooleanOptionalAction, default=True,
        help="also train the layer-of-origin probe (minutes)",
    )  # fmt: skip
    paper.add_argument(
        "--permutations", type=_count, default=10, metavar="N",
        help="how often the probe is repeated with permuted layers (default: 10)",
    )  # fmt: skip
    paper.set_defaults(command=_paper)

    convert = commands.add_parser(
        "convert", help="convert a subject's weights to the other library's layout"
    )
    convert.add_argument("model", metavar="SUBJECT", help="a folder, or a name on the model hub")
    convert.add_argument("out", type=Path, metavar="OUT", help="a new folder")
    convert.add_argument("--to", choices=("transformers", "audiocraft"), required=True)
    convert.set_defaults(command=_convert)
    return parser


if __name__ == "__main__":
    sys.exit(main())
