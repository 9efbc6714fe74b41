"""One thread for linear algebra, so that sums do not depend on the number of cores.

Floating-point addition is not associative: with more threads a sum is split, and its last digits
change. Equal tables must give equal bytes.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types


@contextmanager
def one_thread() -> Iterator[None]:
    """Within this context BLAS and OpenMP use one thread."""
    with threadpool_limits(limits=1):
        yield
