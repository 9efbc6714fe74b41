"""The command line: `python -m pipeline run | estimate | adopt | recovery | verify | steer | …`.

An error is one line on standard error, with exit code 2.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline import commands, devices
from pipeline.errors import PipelineError
from pipeline.parallel import keep_freed_memory
from pipeline.run import STAGES
from pipeline.store.remote import is_url

RUN = "a run directory, or the URL of one in a store, such as s3://BUCKET/PREFIX"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    keep_freed_memory()
    options = _parser().parse_args(arguments)
    try:
        if devices.is_under_torchrun() and options.command is not commands.run:
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


def _run_at(text: str) -> Path | str:
    """Where a run is: a folder, or the URL of a store as it is."""
    return text if is_url(text) else Path(text)


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


def _add_adopt(parsers: Any) -> None:
    adopted = parsers.add_parser(
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
    adopted.set_defaults(command=commands.adopt)


def _add_estimate(parsers: Any) -> None:
    command = parsers.add_parser(
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
    command.set_defaults(command=commands.estimate)


def _add_find(parsers: Any) -> None:
    command = parsers.add_parser(
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
    command.set_defaults(command=commands.find)


def _add_listen(parsers: Any) -> None:
    command = parsers.add_parser(
        "listen", help="send a sound of your own through a run's SAEs: what fires, and when"
    )
    command.add_argument("dir", type=_run_at, metavar="DIR", help=f"{RUN}, with features")
    command.add_argument("sound", type=Path, metavar="SOUND", help="0.5 to 30 seconds")
    command.add_argument(
        "--top", type=_count, default=10, metavar="N", help="how many features (default: 10)"
    )
    command.add_argument("--subject", metavar="MODEL", help="where the run's subject lies here")
    _add_device(command)
    command.set_defaults(command=commands.listen)


def _add_bundle(parsers: Any) -> None:
    command = parsers.add_parser(
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
    command.set_defaults(command=commands.bundle)


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
    parsers = parser.add_subparsers(required=True)

    run = parsers.add_parser("run", help="carry out a run, or continue one that was interrupted")
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
    run.set_defaults(command=commands.run)

    _add_adopt(parsers)

    measured = parsers.add_parser(
        "quality",
        help="how well the SAEs reconstruct validation tracks, and what the subject loses",
    )
    measured.add_argument("dir", type=_run_at, metavar="DIR", help=RUN)
    measured.add_argument(
        "--tracks", type=_count, default=16, metavar="N",
        help="number of tracks on which the subject's loss is measured; 0 for none (default: 16)",
    )  # fmt: skip
    _add_device(measured)
    measured.set_defaults(command=commands.quality)

    recovery = parsers.add_parser(
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
    recovery.set_defaults(command=commands.recovery)

    check = parsers.add_parser(
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
    check.set_defaults(command=commands.verify)

    steering = parsers.add_parser("steer", help="generate music with and without steered features")
    _add_device(steering)
    steering.add_argument("dir", type=_run_at, metavar="DIR", help=f"{RUN}, with exemplars")
    steering.add_argument(
        "--features", type=int, metavar="N", help="number of features to draw per SAE"
    )
    steering.add_argument(
        "--stratify", action="store_true",
        help="draw as many from each third of an SAE's features by rate",
    )  # fmt: skip
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
        "--layer", metavar="HOOKPOINT",
        help="where to add vectors, such as decoder.layers.2.resid_post, or search: where they "
             "move the heads most; default: the SAE's hookpoint",
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
        "--horizons", type=float, nargs="?", const=2.0, metavar="SECONDS",
        help="with --evaluate: stop the intervention after SECONDS (2) and measure what remains "
             "in later windows, in place of dose slopes",
    )  # fmt: skip
    steering.add_argument(
        "--forget", action="store_true",
        help="with --horizons: at the stop the decoder reads the codes again, and remembers the "
             "music but not the vector",
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
    steering.set_defaults(command=commands.steer)

    _add_estimate(parsers)
    _add_find(parsers)
    _add_listen(parsers)
    _add_bundle(parsers)

    paper = parsers.add_parser(
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
    paper.set_defaults(command=commands.paper)

    convert = parsers.add_parser(
        "convert", help="convert a subject's weights to the other library's layout"
    )
    convert.add_argument("model", metavar="SUBJECT", help="a folder, or a name on the model hub")
    convert.add_argument("out", type=Path, metavar="OUT", help="a new folder")
    convert.add_argument("--to", choices=("transformers", "audiocraft"), required=True)
    convert.set_defaults(command=commands.convert)
    return parser


if __name__ == "__main__":
    sys.exit(main())
