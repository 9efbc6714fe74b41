"""What is to be measured, and the file of what was: one JSON line per cell and batch of studies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from tqdm import tqdm

from analysis.estimates.intervals import stream
from analysis.threads import one_thread
from benchmarks.statistics_coverage.tally import Tally

MOST_PROCESSES = 2
KEYS = ("part", "cell", "batch", "studies", "seed")
Key: TypeAlias = tuple[str, str, int, int, int]
Measure: TypeAlias = Callable[[Any, Any, int], Tally]


@dataclass(frozen=True)
class Part:
    """One kind of study: its cells, what it measures, and how many studies are one batch."""

    name: str
    cells: Callable[[], Iterable[Any]]
    measure: Measure
    batch: int
    share: float = 1.0
    """Studies of this part per study asked for: fewer where a study takes long."""


@dataclass(frozen=True)
class Task:
    """One batch of one cell; its seed is its name."""

    part: Part
    cell: Any
    number: int
    studies: int
    seed: int

    @property
    def key(self) -> Key:
        """What tells it apart in the file."""
        return self.part.name, self.cell.name, self.number, self.studies, self.seed

    def run(self) -> dict[str, Any]:
        """The line of the file."""
        rng = stream(self.seed, " ".join(map(str, self.key)))
        with one_thread():
            tally = self.part.measure(self.cell, rng, self.studies)
        return dict(zip(KEYS, self.key, strict=True)) | tally.to_dict()


@dataclass
class Records:
    """Everything measured so far: part to cell to its tally and its number of studies."""

    tallies: dict[str, dict[str, Tally]] = field(default_factory=dict)
    studies: dict[str, dict[str, int]] = field(default_factory=dict)
    done: set[Key] = field(default_factory=set)

    def add(self, line: dict[str, Any]) -> None:
        """One line of the file; a batch that is there twice counts once."""
        part, cell = line["part"], line["cell"]
        key = (part, cell, line["batch"], line["studies"], line["seed"])
        if key in self.done:
            return
        self.done.add(key)
        self.tallies.setdefault(part, {}).setdefault(cell, Tally()).add(Tally.of(line))
        counts = self.studies.setdefault(part, {})
        counts[cell] = counts.get(cell, 0) + line["studies"]

    @classmethod
    def read(cls, path: Path | None) -> Records:
        """The lines of a file; a last line that was cut off is left out."""
        found = cls()
        if path is None or not path.exists():
            return found
        lines = path.read_text(encoding="utf-8").split("\n")
        for line in lines[:-1]:
            found.add(json.loads(line))
        if lines[-1]:
            path.write_text("\n".join([*lines[:-1], ""]), encoding="utf-8")
        return found


def tasks_of(part: Part, cells: Iterable[Any], studies: int, seed: int) -> Iterator[Task]:
    """Batch by batch through all cells, so that an interrupted run has measured all alike."""
    cells, size = list(cells), min(part.batch, studies)
    for number in range(-(-studies // size)):
        for cell in cells:
            yield Task(part, cell, number, size, seed)


def run(tasks: Iterable[Task], records: Records, path: Path | None, processes: int) -> None:
    """Run what is not in the records yet, and append each batch to the file as it ends."""
    left = [task for task in tasks if task.key not in records.done]
    bar = tqdm(_lines(left, processes), total=len(left), unit="batch", mininterval=2)
    for line in bar:
        records.add(line)
        if path is not None:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


def _lines(tasks: list[Task], processes: int) -> Iterator[dict[str, Any]]:
    if processes == 1 or len(tasks) < 2:
        yield from map(Task.run, tasks)
        return
    with ProcessPoolExecutor(min(processes, MOST_PROCESSES)) as pool:
        yield from pool.map(Task.run, tasks)
