"""Stand-ins for modules while a package is imported that names more than it needs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def standing_in(stubs: Mapping[str, ModuleType]) -> Iterator[None]:
    """Within this context `sys.modules` has `stubs` by name; afterwards it is as before."""
    before = {name: sys.modules.get(name) for name in stubs}
    sys.modules.update(stubs)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
