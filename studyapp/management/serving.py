"""Shared by the commands `serve` and `demo`: prepares, starts and stops the site."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError, connection
from tqdm import tqdm

from studyapp.hosting.serving import ServingError, Site


def add_arguments(parser: CommandParser) -> None:
    """Add the options that both commands have."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1, help="processes of the web server")


@contextmanager
def served(
    *, host: str, port: int, workers: int, say: Callable[[str], None]
) -> Iterator[tuple[Site, threading.Event]]:
    """Serve the site inside the context; the event is set by Ctrl-C or SIGTERM.

    Raises `CommandError` if the site cannot be prepared or does not come up.
    """
    over = threading.Event()
    site = Site(host=host, port=port, web_workers=workers, say=say, over=over)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    try:
        site.reserve()
        with tqdm(total=5, desc="start", unit=" step", leave=False) as bar:
            _prepare(bar)
            site.start(bar.update)
        yield site, over
    except ServingError as error:
        raise CommandError(str(error)) from error
    finally:
        site.stop()


def _prepare(bar: "tqdm[NoReturn]") -> None:
    """Bring the database's tables and the static files up to date."""
    try:
        call_command("migrate", interactive=False, verbosity=0)
    except DatabaseError as error:
        name = connection.settings_dict["ENGINE"].rpartition(".")[2]
        line = str(error).strip().splitlines()[0]
        raise CommandError(f"the database ({name}) cannot be used: {line}") from error
    bar.update()
    call_command("collectstatic", interactive=False, verbosity=0)
    bar.update()
