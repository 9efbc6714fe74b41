"""Which device a command computes on. The device is not part of a run's identity, so a run made on
a GPU can be read, verified and steered on a machine without one.
"""

from __future__ import annotations

import os
from dataclasses import replace

from pipeline.config import RunConfig
from pipeline.errors import PipelineError
from pipeline.progress import Progress


def is_under_torchrun() -> bool:
    """Whether torchrun started this process, and others beside it."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def is_first() -> bool:
    """Whether this is the first of torchrun's processes, or none of them."""
    return not is_under_torchrun() or os.environ["RANK"] == "0"


def attempt() -> str:
    """How often torchrun has started its processes again."""
    return os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")


def of_this_process(device: str) -> str:
    """The device of one of torchrun's processes: each of a machine's has a GPU of its own."""
    return f"cuda:{os.environ['LOCAL_RANK']}" if device.startswith("cuda") else device


def on_device(config: RunConfig, device: str | None, progress: Progress) -> RunConfig:
    """The config with its device set to `device`, or, if that is None, to the config's own device.

    If this machine lacks the config's device, the CPU is used instead and `progress` notes it.
    Raises `PipelineError` if `device` is given and this machine lacks it.
    """
    wanted = device or config.machine.device
    fault = fault_of(wanted)
    if fault and device:
        raise PipelineError(f"--device {device}: {fault}")
    if fault:
        progress.note(f"the run was made on {wanted}, and {fault}: computing on the CPU")
        wanted = "cpu"
    return replace(config, machine=replace(config.machine, device=wanted))


def require(device: str) -> None:
    """Raise `PipelineError` if torch cannot compute on `device`."""
    fault = fault_of(device)
    if fault:
        raise PipelineError(f"[machine] device is {device!r}: {fault}; set it to cpu")


def fault_of(device: str) -> str:
    """Why torch cannot compute on `device`; empty if it can."""
    if device == "cpu":
        return ""
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        first_line = str(error).strip().partition("\n")[0]
        return f"torch cannot compute there ({first_line[:120]})"
    return ""
