"""Concurrent work on real connections: two in a chosen order, or all at the same moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from django.db import connection, transaction

from studyapp.core.errors import StudyError

Work = Callable[[], object]
OVERLAP_SECONDS = 0.1
"""How long the first holds its locks after its work, so that the second runs into them."""


def in_order(first: Work, second: Work) -> list[str]:
    """Begin `second` when `first` has done its work but not committed; returns their refusals.

    Any other error is raised.
    """
    done = threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                try:
                    first()
                finally:
                    done.set()
                    time.sleep(OVERLAP_SECONDS)
        finally:
            done.set()

    def follow() -> None:
        done.wait()
        second()

    return run([hold, follow])


def at_once(*works: Work) -> list[str]:
    """Do all at the same moment; returns their refusals."""
    barrier = threading.Barrier(len(works))

    def together(work: Work) -> Work:
        def begin() -> None:
            barrier.wait()
            work()

        return begin

    return run([together(work) for work in works])


def run(works: Sequence[Work]) -> list[str]:
    """Do each in its own thread and connection; returns the refusals' names, empty if none."""
    refusals = [""] * len(works)
    errors: list[BaseException] = []

    def one(place: int) -> None:
        try:
            works[place]()
        except StudyError as refusal:
            refusals[place] = type(refusal).__name__
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(place,)) for place in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return refusals
