"""The site's processes on one machine: broker, worker and web server, under one supervisor."""

import errno
import fcntl
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO
from urllib.error import URLError
from urllib.request import urlopen

from django.conf import settings

from studyapp.hosting import broker
from studyapp.hosting.supervisor import Child, ChildError, Supervisor

START_SECONDS = 60.0
POLL_SECONDS = 0.1
BACKLOG = 1024
"""Maximum number of connections that wait to be accepted."""

KEPT_MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 25),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 28),
}
"""As `pipeline.parallel.keep_freed_memory`, which would come too late in a forked worker."""


class ServingError(Exception):
    """The site cannot be served; the message is the one line that is shown to the user."""


class Site:
    """The processes: web server, one worker, and the embedded broker if `REDIS_URL` is not set.

    The caller sets `over` to stop all of them.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        web_workers: int,
        say: Callable[[str], None],
        over: threading.Event,
    ) -> None:
        self._over = over
        self.host, self.port, self.web_workers = host, port, web_workers
        self.supervisor = Supervisor(say, settings.BASE_DIR)
        self._reserved = ExitStack()
        """The lock of the data folder and the listening socket."""
        self._port_file = -1

    @property
    def url(self) -> str:
        """Address of the site on this machine."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host  # noqa: S104
        return f"http://{host}:{self.port}"

    def reserve(self) -> None:
        """Lock the data folder against other servers, and listen at the port.

        Connections wait while no web process is up.
        Raises `ServingError` if the folder is already being served or the port is taken.
        """
        self._reserved.enter_context(self._locked())
        self._port_file = self._reserved.enter_context(self._bound()).fileno()

    def start(self, tell: Callable[[], object]) -> None:
        """Start every process and wait for it; `tell` is called after each step.

        Raises `ServingError` if a process does not come up.
        """
        try:
            if not settings.REDIS_URL:
                self._start_broker()
            self._wait("broker", lambda: broker.answers(settings.CELERY_BROKER_URL))
            tell()
            self.supervisor.start(self._worker())
            tell()
            for number in range(self.web_workers):
                self.supervisor.start(self._web(number))
            self._wait("site", self._site_answers)
            tell()
        except (broker.BrokerError, ChildError) as error:
            raise ServingError(str(error)) from error

    def check(self) -> None:
        """Restart processes that died. Raises `ServingError` if one cannot be kept alive."""
        try:
            self.supervisor.check()
        except ChildError as error:
            raise ServingError(str(error)) from error

    def watch(self) -> None:
        """Keep the processes alive until `over` is set. Raises `ServingError` if one cannot be."""
        try:
            self.supervisor.watch(self._over.is_set)
        except ChildError as error:
            raise ServingError(str(error)) from error

    def stop(self) -> None:
        """Stop every process and unlock the data folder."""
        self.supervisor.stop()
        self._reserved.close()

    def _locked(self) -> IO[str]:
        path = settings.DATA / "serving.lock"
        try:
            handle = path.open("a+")
        except OSError as error:
            raise ServingError(f"{settings.DATA} is not writable ({error.strerror})") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.seek(0)
            server = json.loads(handle.read() or "{}")
            handle.close()
            where, who = server.get("url", "another address"), server.get("process", "unknown")
            raise ServingError(
                f"{settings.DATA} is already served at {where} by process {who}"
            ) from error
        handle.truncate(0)
        handle.write(json.dumps({"url": self.url, "process": os.getpid()}))
        handle.flush()
        return handle

    def _bound(self) -> socket.socket:
        try:
            listening = socket.create_server(
                (self.host, self.port), family=self._family(), backlog=BACKLOG
            )
        except OSError as error:
            taken = "is in use" if error.errno == errno.EADDRINUSE else f"({error.strerror})"
            raise ServingError(
                f"port {self.port} of {self.host} {taken}; give another --port"
            ) from error
        listening.set_inheritable(True)
        return listening

    def _family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    def _start_broker(self) -> None:
        path = settings.EMBEDDED_BROKER_SOCKET
        broker.prepare_socket_folder(path)
        path.unlink(missing_ok=True)
        self.supervisor.start(Child("broker", broker.server_command(path), _log("broker")))

    def _worker(self) -> Child:
        arguments = ["-A", "studyapp.celery", "worker", "--pool", "prefork", "--concurrency", "2"]
        arguments += ["--queues", "cpu,gpu,api"]
        quiet = ["--loglevel", "INFO", "--without-gossip", "--without-mingle"]
        return Child(
            "worker",
            _python("celery", *arguments, *quiet),
            _log("worker"),
            # Do not wait for a run in progress: it continues after the next start.
            stop_signal=signal.SIGQUIT,
            # An orderly shutdown needs the broker, which ends with the supervisor as well.
            orphan_signal=signal.SIGKILL,
            environment=KEPT_MEMORY,
        )

    def _web(self, number: int) -> Child:
        """One of the web processes; all of them accept from the same socket."""
        name = "site" if number == 0 else f"site-{number + 1}"
        command = _python("studyapp.hosting.web", "--fd", str(self._port_file))
        return Child(name, command, _log(name), files=(self._port_file,))

    def _site_answers(self) -> bool:
        try:
            with urlopen(f"{self.url}/healthz", timeout=5) as answer:  # noqa: S310 - our own address
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def _wait(self, name: str, is_up: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not is_up():
            self.supervisor.check()
            if self._over.wait(POLL_SECONDS):
                raise ServingError(f"stopped before the {name} was up")
            if time.monotonic() > deadline:
                raise ServingError(
                    f"the {name} did not answer within {START_SECONDS:.0f} s; see {_log(name)}"
                )


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def _log(name: str) -> Path:
    return Path(settings.DATA) / "logs" / f"{name}.log"
