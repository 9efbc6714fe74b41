"""Colours of the figures and the page: by name, one value for light pages and one for dark.

Figures are drawn in the light values. No two names have the same one, so that the page can replace
each by the CSS variable of its name.
"""

from __future__ import annotations

PAPER = "#fdfdfc"
INK = "#1c1d1f"
MUTED = "#6d7278"
GRID = "#dfe2e5"
STEPS = ("#b4572b", "#e3ad7f", "#d6d3cc", "#8cb9c6", "#2b7a91")
"""The answers 1 to 5; the same on light and dark pages."""

DARK_TEXT = "#111213"
LIGHT_TEXT = "#fefefe"

_METHODS = (
    ("#0c6c94", "#5cc0ea"),
    ("#b3500f", "#f0a269"),
    ("#3b7a3a", "#8bcb87"),
    ("#8549a0", "#cf9fe6"),
    ("#967000", "#e2bf4d"),
    ("#a93049", "#f08ba0"),
    ("#2d7274", "#74c9cb"),
    ("#545a92", "#a9afe6"),
)

VARIABLES: dict[str, tuple[str, str]] = {
    "paper": (PAPER, "#15171a"),
    "ink": (INK, "#e9eaec"),
    "muted": (MUTED, "#9aa1a8"),
    "grid": (GRID, "#33383d"),
    **{f"method-{i}": pair for i, pair in enumerate(_METHODS)},
}
"""CSS variable to (light, dark)."""


def method_colour(index: int) -> str:
    """The colour of the method with that index; colours repeat after eight."""
    return _METHODS[index % len(_METHODS)][0]


def themed(svg: str) -> str:
    """The drawing with CSS variables for its colours, which follow the page's theme."""
    for name, (light, _) in VARIABLES.items():
        svg = svg.replace(light, f"var(--{name})")
    return svg
