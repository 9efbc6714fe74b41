"""The name of a process, across machines and containers; whether such a process is dead here."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def name() -> str:
    """This process: its machine and its number there."""
    return f"{_machine()}:{os.getpid()}"


def is_dead_here(process: str) -> bool:
    """Whether the process so named was on this machine and is gone; False of other machines'.

    A number that another process has by now looks alive: its lease has to run out then.
    """
    machine, _, number = process.rpartition(":")
    if machine != _machine():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, ValueError):
        pass
    return False


def _machine() -> str:
    # Containers of one machine may share its name, but number their processes each for itself.
    namespace = Path("/proc/self/ns/pid")
    apart = f"/{namespace.stat().st_ino}" if namespace.exists() else ""
    return f"{socket.gethostname()[:64]}{apart}"
