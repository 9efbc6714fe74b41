"""Which labelling methods are controls.

`pipeline.labelers` says the same about its registry; a test compares them, since only two rooms of
the site may import the pipeline.
"""

from __future__ import annotations

CONTROLS = frozenset({"random-label"})


def is_control(method: str) -> bool:
    """Whether `METHOD` or `METHOD@VARIANT` is a control, which labels without listening."""
    return method.partition("@")[0] in CONTROLS
