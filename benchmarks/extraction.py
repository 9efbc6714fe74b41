"""The cost of extracting activations, at musicgen-small's real size with random weights.

    python -m benchmarks.extraction                     times, in float32 and bfloat16
    python -m benchmarks.extraction --clips 1000        also memory over that many clips

The bare forward pass is transformers' own decoder, loaded a second time without hooks and truncated
after the deepest block that is read. The two are called in turn in one process. The table shows
medians of wall time and of CPU time, which other programs on the machine do not affect.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch

from benchmarks.common.made_subjects import write_small_subject
from pipeline.config import SubjectConfig
from pipeline.config.sections import HOOKPOINT_PRESETS, parse_hookpoint
from pipeline.subjects.delay import delayed_ids
from pipeline.subjects.transformers_backend import TransformersSubject, load

POINTS = HOOKPOINT_PRESETS["paper-small"]
DEEPEST = POINTS[-1:]
FRAMES = 500
"""Ten seconds."""


class Seconds(NamedTuple):
    """Medians of one call."""

    wall: float
    process: float


def main() -> int:
    """Print the tables. Return 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--repeats", type=int, default=7, help="repetitions of the timing; 0 to skip it"
    )
    parser.add_argument("--threads", type=int, default=2, help="torch threads")
    parser.add_argument(
        "--clips", type=int, default=0, help="clips for the memory test; 0 to skip it"
    )
    parser.add_argument("--clip-seconds", type=float, default=10.0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as made:
        folder = write_small_subject(Path(made) / "small")
        sound = True
        for precision in ("float32", "bfloat16") if options.repeats else ():
            sound &= times(folder, precision, options.repeats)
        if options.clips:
            sound &= memory(folder, options.clips, options.clip_seconds)
    return 0 if sound else 1


def times(folder: Path, precision: str, repeats: int) -> bool:
    """Compare extraction with the bare forward pass, and five hookpoints with one."""
    config = SubjectConfig(model=str(folder), hookpoints=POINTS, precision=precision)
    subject = TransformersSubject(config)
    codes = torch.randint(0, 2048, (1, 4, FRAMES), generator=torch.Generator().manual_seed(0))
    bare = bare_forward(folder, precision, codes)
    found = in_turns(
        repeats,
        bare,
        lambda: subject.activations(codes, DEEPEST),
        lambda: subject.activations(codes, POINTS),
    )
    print(f"\n{precision}, {FRAMES} frames, stopped after block {parse_hookpoint(DEEPEST[0])[0]}")
    print(f"{'':34} {'wall s':>8} {'process s':>10} {'to bare':>8} {'to one':>8}")
    base, one, five = found
    for name, seconds in (("bare forward", base), ("deepest hookpoint", one),
                          ("five hookpoints", five)):  # fmt: skip
        to_bare, to_one = seconds.process / base.process, seconds.process / one.process
        print(f"{name:34} {seconds.wall:8.3f} {seconds.process:10.3f} {to_bare:8.3f} {to_one:8.3f}")
    return one.process / base.process <= 1.05 and five.process / one.process <= 1.1


def bare_forward(folder: Path, precision: str, codes: torch.Tensor) -> Callable[[], Any]:
    """transformers' decoder, truncated after the deepest block, on the same ids."""
    decoder = load(folder).decoder.model.decoder.eval().requires_grad_(False)
    block, _ = parse_hookpoint(DEEPEST[0])
    decoder.layers = decoder.layers[: block + 1]
    decoder.to(getattr(torch, precision))
    ids = delayed_ids(codes, special=2048).flatten(0, 1)

    def forward() -> Any:
        with torch.inference_mode():
            return decoder(input_ids=ids, use_cache=False)

    return forward


def in_turns(repeats: int, *calls: Callable[[], Any]) -> Sequence[Seconds]:
    """Median times of each call, after one warm-up round."""
    taken: list[list[Seconds]] = [[] for _ in calls]
    for number in range(repeats + 1):
        for call, kept in zip(calls, taken, strict=True):
            wall, process = time.perf_counter(), time.process_time()
            call()
            passed = Seconds(time.perf_counter() - wall, time.process_time() - process)
            if number:
                kept.append(passed)
    return [
        Seconds(median(s.wall for s in kept), median(s.process for s in kept)) for kept in taken
    ]


def memory(folder: Path, clips: int, seconds: float) -> bool:
    """Measure resident memory while clips are encoded and read at five hookpoints, in bfloat16."""
    config = SubjectConfig(model=str(folder), hookpoints=POINTS, precision="bfloat16")
    subject = TransformersSubject(config)
    generator = torch.Generator().manual_seed(0)
    samples = round(seconds * subject.facts.sample_rate)
    print(f"\nmemory over {clips} clips of {seconds:g} s, MiB after so many clips")
    seen: list[float] = []
    step = max(1, clips // 10)
    for number in range(1, clips + 1):
        sound = 0.1 * torch.randn((1, samples), generator=generator)
        subject.activations(subject.encode(sound), POINTS)
        if number % step == 0:
            seen.append(resident())
            print(f"{number:6} {seen[-1]:10.1f}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    growth = seen[-1] - seen[0]
    print(f"growth from the first mark to the last {growth:+.1f} MiB ({growth / seen[0]:+.2%}); "
          f"largest ever {peak:.0f}")  # fmt: skip
    return growth / seen[0] < 0.01


def resident() -> float:
    """Resident memory of this process, MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    sys.exit(main())
