"""How fast this machine is, from a sample of a few seconds, and what it can hold."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

from pipeline import devices
from pipeline.config import MachineConfig
from pipeline.errors import PipelineError

SAMPLE_SECONDS = 0.5
"""Minimum length of each sample."""


@dataclass(frozen=True)
class Machine:
    """Speeds of all workers of a config together, and room."""

    flops: float
    """Floating-point operations per second, in the products of an SAE's shapes."""
    selected: float
    """Pre-activations per second from which the k largest are taken."""
    copied: float
    """Bytes per second that are read and written back."""
    decoded: float
    """Seconds of sound that are decoded and resampled per second."""
    memory: float
    """Bytes that are free here."""
    device_memory: float
    """Bytes that are free on the device; the same where that is the CPU."""
    disk: float
    """Bytes that are free where the run will be."""
    stated: str = ""
    """What is not from the sample but was stated; empty if nothing is."""

    def with_device(self, *, tflops: float | None, memory_gb: float | None) -> Machine:
        """The machine with a device of stated speed and memory in place of the measured one.

        What the device does beside products is taken to be faster by the same factor.
        """
        found = self
        if tflops is not None:
            factor = tflops * 1e12 / self.flops
            found = replace(
                found,
                flops=tflops * 1e12,
                selected=self.selected * factor,
                copied=self.copied * factor,
                stated=f"{tflops:g} TFLOP/s",
            )
        if memory_gb is not None:
            stated = ", ".join(filter(None, (found.stated, f"{memory_gb:g} GB")))
            found = replace(found, device_memory=memory_gb * 1e9, stated=stated)
        return found


def machine_of(
    config: MachineConfig, place: Path, *, tflops: float | None, memory_gb: float | None
) -> Machine:
    """A sample of this machine, with the stated device where one is stated; `place`: where the run
    will be. Raises `PipelineError` if this machine lacks the config's device and none is stated."""
    fault = devices.fault_of(config.device)
    if fault and None in (tflops, memory_gb):
        raise PipelineError(
            f"[machine] device is {config.device!r}: {fault}; state another machine's with "
            "--tflops and --device-memory"
        )
    here = measured(replace(config, device="cpu") if fault else config, place)
    return here.with_device(tflops=tflops, memory_gb=memory_gb)


def measured(config: MachineConfig, place: Path) -> Machine:
    """A sample of this machine with the config's device, threads and workers."""
    import torch

    from pipeline.parallel import torch_threads

    device, at_once = config.device, _at_once(config)
    with torch_threads(config), torch.inference_mode():
        x = torch.randn(256, 1024, device=device)
        encoder = torch.randn(1024, 8192, device=device)
        found = torch.randn(256, 8192, device=device)
        large = torch.randn(1 << 24, device=device)
        product = _per_second(lambda: x @ encoder, device) * 2 * 256 * 1024 * 8192
        selected = _per_second(lambda: found.topk(32, dim=1, sorted=False), device) * found.numel()
        copied = _per_second(lambda: large.mul_(1.0), device) * large.numel() * 4 * 2
    memory, device_memory, disk = _free(device, place)
    return Machine(
        flops=product * at_once,
        selected=selected * at_once,
        copied=copied,
        decoded=_decoded() * min(config.workers, os.cpu_count() or 1),
        memory=memory,
        device_memory=device_memory,
        disk=disk,
    )


def unmeasured(config: MachineConfig, place: Path) -> Machine:
    """What this machine can hold, at once: it counts as infinitely fast."""
    memory, device_memory, disk = _free(config.device, place)
    return Machine(inf, inf, inf, inf, memory, device_memory, disk)


def _free(device: str, place: Path) -> tuple[float, float, float]:
    """Bytes that are free in memory, on the device and on the disk of `place`."""
    memory = _free_memory()
    on_device = memory
    if device != "cpu":
        import torch

        on_device = float(torch.cuda.mem_get_info(device)[0])
    return memory, on_device, float(shutil.disk_usage(_existing(place)).free)


def _at_once(config: MachineConfig) -> int:
    """Workers that compute at once: on a GPU they share it, on a CPU its cores."""
    if config.device != "cpu":
        return 1
    return max(1, min(config.workers, (os.cpu_count() or 1) // max(1, config.threads)))


def _per_second(work: Callable[[], object], device: str) -> float:
    """How often per second the work is done."""
    import torch

    def wait() -> None:
        if device != "cpu":
            torch.cuda.synchronize(device)

    work()
    wait()
    begun, count = time.monotonic(), 0
    while time.monotonic() - begun < SAMPLE_SECONDS:
        work()
        wait()
        count += 1
    return count / (time.monotonic() - begun)


def _decoded() -> float:
    """Seconds of sound per second: ten seconds of FLAC, 44.1 kHz stereo, to mono at 32 kHz."""
    import numpy as np
    import soundfile as sf

    from pipeline.corpus import audio

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.flac"
        sound = 0.1 * np.random.default_rng(0).normal(size=(441_000, 2))
        sf.write(path, sound, 44_100)
        return 10 * _per_second(lambda: audio.read_mono(path, sample_rate=32_000), "cpu")


def _existing(place: Path) -> Path:
    """The folder, or the first above it that exists."""
    place = place.resolve()
    return next(folder for folder in (place, *place.parents) if folder.is_dir())


def _free_memory() -> float:
    """Bytes that programs can get without swapping."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        kilobytes = next(line.split()[1] for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):  # not Linux: all there is
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return float(kilobytes) * 1024
