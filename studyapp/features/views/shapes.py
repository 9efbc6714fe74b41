"""The lines and bars of a feature's page as SVG coordinates. Presentation only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

WIDTH = 1000
HEIGHT = 100
POINTS = 250
"""Maximum number of points of a timeline; each shows the largest of its frames."""


@dataclass(frozen=True)
class Strip:
    """A sound with its picture and its activation."""

    title: str
    detail: str
    audio: str
    """Address of the sound, or ""."""
    picture: str
    seconds: float
    line: str = ""
    """SVG path of the activation in `WIDTH` × `HEIGHT`; "" if unknown."""
    peak: float | None = None
    """Position of the strongest activation, 0 to `WIDTH`."""


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram."""

    x: float
    y: float
    width: float
    height: float
    title: str


def line(timeline: dict[str, Any], seconds: float) -> str:
    """Return the SVG path of a timeline over a clip of `seconds`, filled from the bottom."""
    values, rate = timeline["values"], timeline["frame_rate"]
    if not values or seconds <= 0:
        return ""
    step = -(-len(values) // POINTS)
    points = []
    for start in range(0, len(values), step):
        group = values[start : start + step]
        middle = (timeline["first_frame"] + start + len(group) / 2) / rate
        x = min(middle / seconds, 1.0) * WIDTH
        points.append((x, HEIGHT - max(group) / 255 * (HEIGHT - 4)))
    moves = " ".join(f"L{x:.1f} {y:.1f}" for x, y in points)
    return f"M{points[0][0]:.1f} {HEIGHT} {moves} L{points[-1][0]:.1f} {HEIGHT}Z"


def bars(histogram: dict[str, Any], marks: int = 100) -> list[Bar]:
    """Return the bars of a histogram; heights are square roots, so that rare tracks are visible."""
    counts, edges = histogram["counts"], histogram["edges"]
    top = max(counts, default=0) or 1
    width = WIDTH / max(len(counts), 1)
    return [
        Bar(
            round(i * width + 1, 2),
            round(marks - (count / top) ** 0.5 * marks, 2),
            round(width - 2, 2),
            round((count / top) ** 0.5 * marks, 2),
            f"{edges[i]:.3g} to {edges[i + 1]:.3g}: {count} tracks",
        )
        for i, count in enumerate(counts)
    ]
