"""Names of processes that are unique across machines and containers; whether one is dead."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def name() -> str:
    """Return the name of this process: its machine and its process number."""
    return f"{_machine()}:{os.getpid()}"


def is_dead_here(process: str) -> bool:
    """Whether the named process ran on this machine and is gone; False for other machines.

    A number that another process has since taken looks alive; its lease must expire then.
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
    # Containers of one machine may share its name, but each numbers its own processes.
    namespace = Path("/proc/self/ns/pid")
    apart = f"/{namespace.stat().st_ino}" if namespace.exists() else ""
    return f"{socket.gethostname()[:64]}{apart}"
