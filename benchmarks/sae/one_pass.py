"""Four SAEs of one hookpoint from one pass of the model, and from a pass each: whole commands.

`python -m pipeline run … --until sae` with the nano model on a corpus that is made first, once with
all four SAEs and four times with one. Each command starts Python, checks the recordings, reads
their activations and trains. *online*: activations are computed while the SAEs are trained, and
never stored; *stored*: by the stage before, in a file each; *from stored*: only what follows when
they are there already. Seconds by the clock and of the processor, and whether the four SAEs' files
have the same bytes. All commands read the same frames in the same order.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import PipelineError

NANO = Path(__file__).parent.parent.parent / "fixtures" / "nano" / "musicgen-nano"
WIDTH = 192
EXPANSIONS, KS = (2, 4), (16, 32)
CONFIG = """
[subject]
model = "{nano}"
hookpoints = ["decoder.layers.3.resid_post"]
[corpus]
clip_seconds = {seconds}
[sae]
expansions = {expansions}
ks = {ks}
steps = {steps}
together = true
[labels]
methods = ["descriptors"]
[machine]
workers = 1
threads = 1
"""


class Took(NamedTuple):
    """Seconds of a command."""

    wall: float
    cpu: float


def main() -> int:
    """Print a row for each way to get activations."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("tracks", 32), ("seconds", 8), ("steps", 100)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    frames = options.tracks * options.seconds * 50
    print(
        f"{len(EXPANSIONS) * len(KS)} SAEs of d {WIDTH}, {options.tracks} tracks of "
        f"{options.seconds} s ({frames:,} frames), {options.steps} steps of 1,024 frames\n\n"
        "| activations | four commands: wall s, CPU s | one command | ratio | same bytes |\n"
        "|---|---|---|---|---|"
    )
    try:
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), options)
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def measure(folder: Path, options: argparse.Namespace) -> None:
    """Run all commands and print the rows."""
    corpus = folder / "corpus"
    command("fixtures.corpus", "--out", str(corpus), "--tracks", str(options.tracks),
            "--seconds", str(options.seconds))  # fmt: skip
    one = [(EXPANSIONS, KS)]
    four = [((expansion,), (k,)) for expansion, k in product(EXPANSIONS, KS)]
    took: dict[str, list[Took]] = {name: [] for name in ("online", "stored", "from stored")}
    folders: dict[str, list[Path]] = {name: [] for name in took}
    for number, (expansions, ks) in enumerate([*four, *one]):
        config = folder / f"{number}.toml"
        config.write_text(
            CONFIG.format(
                nano=NANO, seconds=float(options.seconds), steps=options.steps,
                expansions=list(expansions), ks=list(ks),
            )
        )  # fmt: skip

        def run(kind: str, *more: str, number: int = number, config: Path = config) -> Took:
            out = folder / f"{kind}-{number}"
            if out not in folders[kind]:
                folders[kind].append(out)
            return command("pipeline", "run", str(config), "--out", str(out),
                           "--corpus", str(corpus), "--until", *more)  # fmt: skip

        took["online"].append(run("online", "sae", "--online"))
        before, after = run("stored", "activations"), run("stored", "sae")
        took["stored"].append(Took(before.wall + after.wall, before.cpu + after.cpu))
        took["from stored"].append(after)
    folders["from stored"] = folders["stored"]
    for name, each in took.items():
        print(row(name, each, folders[name]), flush=True)


def row(name: str, took: Sequence[Took], folders: Sequence[Path]) -> str:
    """The last command of `took` made all SAEs, those before it one each."""
    *apart, together = took
    wall, cpu = (sum(one[at] for one in apart) for at in (0, 1))
    same = weights(folders[-1:]) == weights(folders[:-1])
    return (
        f"| {name} | {wall:.1f}, {cpu:.1f} | {together.wall:.1f}, {together.cpu:.1f} | "
        f"{together.wall / wall:.2f}, {together.cpu / cpu:.2f} | {'yes' if same else 'no'} |"
    )


def weights(folders: Sequence[Path]) -> dict[str, bytes]:
    """The files of weights by SAE."""
    return {
        path.parent.name: path.read_bytes()
        for folder in folders
        for path in sorted(folder.glob("sae/*/sae_weights.safetensors"))
    }


def command(module: str, *arguments: str) -> Took:
    """Run a module's command to its end.

    Raises `PipelineError` with the last line that it says if it fails.
    """
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], stdout=said, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise PipelineError(f"{module} {arguments[0]}: {said.read().strip()[-300:]}")
    return Took(time.perf_counter() - start, usage.ru_utime + usage.ru_stime)


if __name__ == "__main__":
    sys.exit(main())
