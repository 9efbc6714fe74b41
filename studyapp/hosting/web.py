"""The web server of `manage.py serve`: waitress on a socket that its parent process opened.

It buffers requests and responses completely, so that a slow client occupies a connection but never
a thread. The Docker image runs gunicorn behind nginx, which does the same.
"""

from __future__ import annotations

import argparse
import logging
import resource
import signal
import socket
import sys
from types import FrameType
from typing import Any, NoReturn

from waitress.server import create_server

CONNECTIONS = 1000
"""Open connections per process; further ones wait to be accepted."""
OPTIONS: dict[str, Any] = {
    "threads": 8,
    "connection_limit": CONNECTIONS,
    "channel_timeout": 60,  # Seconds without a byte, in either direction.
    "cleanup_interval": 10,
    "asyncore_use_poll": True,  # select() ends at 1,024 files.
    "max_request_body_size": 3 * 1024 * 1024,  # The same as in deploy/nginx.conf.
    "outbuf_overflow": 256 * 1024,  # Larger responses go to a temporary file.
    # Beyond this a thread waits for the client: larger than any export that we know of.
    "outbuf_high_watermark": 1024 * 1024 * 1024,
    "ident": None,
    # The site's own settings decide which of them are trusted.
    "clear_untrusted_proxy_headers": False,
}


def main() -> None:
    """Serve until SIGTERM on the listening socket with the given file descriptor."""
    parser = argparse.ArgumentParser(prog="python -m studyapp.hosting.web", description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="a listening socket's number")
    listening = socket.socket(fileno=parser.parse_args().fd)
    _allow_files(2 * CONNECTIONS + 200)
    signal.signal(signal.SIGTERM, _end)
    from studyapp.wsgi import application

    # It warns about every request that has to wait for a thread.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    create_server(application, sockets=[listening], **OPTIONS).run()


def _allow_files(wanted: int) -> None:
    """Raise the limit of open files: each connection and each buffered response needs one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    main()
