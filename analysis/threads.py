"""One thread for linear algebra: a sum then has one order, whatever the number of cores."""

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, BLAS and OpenMP use one thread; the same numbers come out on every machine."""
    with threadpool_limits(limits=1):
        yield
