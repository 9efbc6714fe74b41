"""Where Essentia can be tested: its package has a wheel for Python 3.11 only."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import pytest

HAS_ESSENTIA = sys.version_info[:2] == (3, 11)
"""Where there is a wheel nothing is left out, and a missing package is a failure."""
needs_essentia = pytest.mark.essentia


def marked(methods: Iterable[str]) -> list[Any]:
    """Methods as parameters of a test; those of Essentia are left out where it has no wheel."""
    return [
        pytest.param(method, marks=needs_essentia if is_essentias(method) else ())
        for method in methods
    ]


def here(methods: Iterable[str]) -> list[str]:
    """Those of `methods` that can be run on this Python."""
    return [method for method in methods if HAS_ESSENTIA or not is_essentias(method)]


def is_essentias(method: str) -> bool:
    """Whether Essentia's models name the features."""
    return method.startswith("essentia")
