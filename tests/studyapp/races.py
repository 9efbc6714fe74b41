"""Two pieces of work at once, on real connections: in a chosen order, or all at the same moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from django.db import connection, transaction

from studyapp.core.errors import StudyError

Work = Callable[[], object]
OVERLAP_SECONDS = 0.1
"""How long the first keeps its locks after its work: time for the second to run into them."""


def in_order(first: Work, second: Work) -> list[str]:
    """`second` begins when `first` has done its work and not committed; what each refused, if so.

    Any error but a refusal is an error here.
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
    """All at the same moment; what each refused."""
    barrier = threading.Barrier(len(works))

    def together(work: Work) -> Work:
        def begin() -> None:
            barrier.wait()
            work()

        return begin

    return run([together(work) for work in works])


def run(works: Sequence[Work]) -> list[str]:
    """Each in a thread and on a connection of its own; the names of the refusals, empty if none."""
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
