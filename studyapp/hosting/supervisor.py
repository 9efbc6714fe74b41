"""Keeps the site's processes alive: restarts those that die, and stops all on one signal.

A child also ends when the supervisor itself is killed, so that nothing runs unsupervised.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.2
STOP_SECONDS = 8.0
QUICK_DEATHS = 5
"""A child that dies this many times within `QUICK_SECONDS` is not restarted."""
QUICK_SECONDS = 30.0


class ChildError(Exception):
    """A child cannot be kept alive; the message is the one line that is shown to the user."""


@dataclass
class Child:
    """A process to keep alive."""

    name: str
    command: Sequence[str]
    log: Path
    """File for its output."""
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGTERM
    """Signal that it gets when the supervisor itself is killed."""
    files: Sequence[int] = ()
    """File descriptors that it inherits."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that it gets besides the supervisor's own."""
    process: subprocess.Popen[bytes] | None = None
    deaths: list[float] = field(default_factory=list)


def die_with_parent(number: int) -> None:
    """Have the kernel send this process the signal `number` when its parent ends; Linux only."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


class Supervisor:
    """Starts, watches and stops children; `folder` is their working directory."""

    def __init__(self, say: Callable[[str], None], folder: Path) -> None:
        self._say = say
        self._folder = folder
        self._children: list[Child] = []

    def start(self, child: Child) -> None:
        """Start the child and keep it alive."""
        child.log.parent.mkdir(parents=True, exist_ok=True)
        self._spawn(child)
        self._children.append(child)

    def check(self) -> None:
        """Restart children that have died, and say so.

        Raises `ChildError` for a child that dies repeatedly.
        """
        for child in self._children:
            if child.process is None or child.process.poll() is None:
                continue
            self._note_death(child, child.process.returncode)
            self._spawn(child)

    def watch(self, until: Callable[[], bool]) -> None:
        """Check repeatedly until `until()` is true."""
        while not until():
            self.check()
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop every child in reverse order; kill those that do not end in time."""
        for child in reversed(self._children):
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(child.stop_signal)
                try:
                    child.process.wait(timeout=STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    child.process.kill()
                    child.process.wait()
        self._children.clear()

    def _spawn(self, child: Child) -> None:
        supervisor = os.getpid()

        def prepare() -> None:
            die_with_parent(child.orphan_signal)
            if os.getppid() != supervisor:  # The parent died between the fork and the line above.
                os._exit(1)

        with child.log.open("ab") as log:
            child.process = subprocess.Popen(  # noqa: S603 - commands of our own
                child.command,
                cwd=self._folder,
                env={**os.environ, **child.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Its own group: Ctrl-C reaches only the supervisor, which stops all in order.
                start_new_session=True,
                pass_fds=child.files,
                preexec_fn=prepare,
            )

    def _note_death(self, child: Child, status: int) -> None:
        now = time.monotonic()
        child.deaths = [t for t in child.deaths if now - t < QUICK_SECONDS] + [now]
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        if len(child.deaths) >= QUICK_DEATHS:
            raise ChildError(
                f"{child.name} {how}, {QUICK_DEATHS} times within {QUICK_SECONDS:.0f} s; "
                f"its output is in {child.log}"
            )
        self._say(f"{child.name} {how}; restarting it")
