"""Charts as SVG coordinates, in one style for all pages of runs. Presentation only.

A chart has marks (lines, dots, bars, rules), two axes and a table of its values, which is folded
below it. Coordinates are texts with a decimal point, whatever the page's language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil, floor, log10

WIDTH, HEIGHT = 420, 250
TOP, RIGHT, BOTTOM, LEFT = 10, 22, 40, 46
"""Margins of a chart of two numbers; a chart of rows has its names on the left."""
ROW = 22
LETTER = 6.6
"""Mean width of a letter of a name."""
COLOURS = 6
"""Colours of series; the seventh series has the first colour again, with a broken line."""


@dataclass(frozen=True)
class Tick:
    """A value on an axis."""

    at: str
    text: str


@dataclass(frozen=True)
class Line:
    """A series as an SVG path."""

    path: str
    title: str
    style: str


@dataclass(frozen=True)
class Dot:
    """A point."""

    x: str
    y: str
    radius: str
    title: str
    style: str


@dataclass(frozen=True)
class Bar:
    """A bar, or the span of an interval."""

    x: str
    y: str
    width: str
    height: str
    title: str
    style: str


@dataclass(frozen=True)
class Rule:
    """A straight line at a value that means something: a border, or chance."""

    x1: str
    y1: str
    x2: str
    y2: str
    title: str


@dataclass
class Chart:
    """A picture with its text alternative, its caption and its values."""

    title: str
    alt: str
    caption: str = ""
    height: int = HEIGHT
    left: float = LEFT
    x_label: str = ""
    y_label: str = ""
    """Empty for a chart of rows, which needs no lines across."""
    x_ticks: list[Tick] = field(default_factory=list)
    y_ticks: list[Tick] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    dots: list[Dot] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    legend: list[tuple[str, str]] = field(default_factory=list)
    """Style and name of every series."""
    columns: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)

    @property
    def right(self) -> float:
        """Where the area of marks ends on the right."""
        return WIDTH - RIGHT

    @property
    def bottom(self) -> float:
        """Where the area of marks ends below."""
        return self.height - BOTTOM

    @property
    def places(self) -> dict[str, str]:
        """The picture's size, and where its area of marks, ticks and labels are."""
        return {
            "width": number(WIDTH),
            "height": number(self.height),
            "left": number(self.left),
            "right": number(self.right),
            "top": number(TOP),
            "bottom": number(self.bottom),
            "middle": number((self.left + self.right) / 2),
            "beside": number(self.left - 6),
            "below": number(self.bottom + 15),
            "label": number(self.height - 6),
        }


Scale = Callable[[float], float]


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """Return the position of a value between `low` and `high`, from `start` to `end`."""
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """Return the position of a value on a logarithmic axis."""
    scale = linear(log10(low), log10(high), start, end)
    return lambda value: scale(log10(value))


def round_steps(low: float, high: float, count: int = 5) -> list[float]:
    """Return about `count` round values from at most `low` to at least `high`."""
    if high <= low:
        high = low + (abs(low) or 1.0)
    raw = (high - low) / count
    power = 10.0 ** floor(log10(raw))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= raw * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [place * step for place in range(first, last + 1)]


def round_powers(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times powers of ten between `low` and `high`."""
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    values = [times * 10.0**power for power in powers for times in (1, 2, 5)]
    return [value for value in values if low * 0.999 <= value <= high * 1.001]


def path(points: Sequence[tuple[float, float]]) -> str:
    """Return the SVG path through points."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points) if points else ""


def style(place: int) -> str:
    """Return the classes of a series, by its place."""
    broken = " broken" if place >= COLOURS else ""
    return f"series-{place % COLOURS + 1}{broken}"


def legend_of(runs: Iterable[str]) -> list[tuple[str, str]]:
    """Return the legend of a chart with a series per run; a single run needs none."""
    names = [*runs]
    return [(style(at), run) for at, run in enumerate(names)] if len(names) > 1 else []


def room_for(names: Sequence[str]) -> float:
    """Return the left margin that names need, at most 40 % of the picture."""
    longest = max(map(len, names), default=0)
    return min(longest * LETTER + 14, WIDTH * 0.4)


def short(name: str) -> str:
    """Return a name that fits into the left margin; the end of an SAE's name tells it apart."""
    most = int((WIDTH * 0.4 - 14) / LETTER)
    return name if len(name) <= most else f"…{name[-most + 1 :]}"


def number(value: float) -> str:
    """Return a coordinate."""
    return f"{value:.1f}"


def value(of: float | None, digits: int = 3) -> str:
    """Return a figure for a page; "–" if there is none."""
    return "–" if of is None else f"{of:.{digits}f}"


def interval(low: float | None, high: float | None, digits: int = 3) -> str:
    """Return an interval; "–" if there is none."""
    return "–" if low is None or high is None else f"{low:.{digits}f} to {high:.{digits}f}"


def percent(of: float | None, digits: int = 1) -> str:
    """Return a share in per cent; "–" if there is none."""
    return "–" if of is None else f"{of * 100:.{digits}f} %"
