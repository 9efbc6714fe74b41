"""What `pip install '.[EXTRA]'` would install, read off this environment's own metadata."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
US = canonicalize_name(PROJECT["name"])


def declared(extras: Sequence[str]) -> set[NormalizedName]:
    """The distributions that the core and `extras` name, for this Python."""
    return {canonicalize_name(wanted.name) for wanted in _ours(extras)} - {US}


def visible_only(extras: Sequence[str], folder: Path) -> Path:
    """`folder`, filled with links to what the core and `extras` need and to nothing else."""
    folder.mkdir()
    for name in _closure(extras):
        distribution = metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            link = folder / top
            if not link.exists():  # Parts of one namespace, such as `google`, share their folder.
                link.symlink_to(Path(str(distribution.locate_file(top))))
    return folder


def _ours(extras: Sequence[str]) -> Iterator[Requirement]:
    """Our requirements, an extra's in full where another extra builds on it."""
    texts = list(PROJECT["dependencies"])
    for extra in extras:
        texts += PROJECT["optional-dependencies"][extra]
    for wanted in map(Requirement, texts):
        if canonicalize_name(wanted.name) == US:
            yield from _ours(sorted(wanted.extras))
        elif wanted.marker is None or wanted.marker.evaluate():
            yield wanted


def _closure(extras: Sequence[str]) -> set[NormalizedName]:
    """What is declared, what that needs, and so on."""
    found: set[NormalizedName] = set()
    waiting = [(canonicalize_name(wanted.name), wanted.extras) for wanted in _ours(extras)]
    seen: set[tuple[NormalizedName, frozenset[str]]] = set()
    while waiting:
        name, asked = waiting.pop()
        if (name, frozenset(asked)) in seen:
            continue
        seen.add((name, frozenset(asked)))
        found.add(name)
        for text in metadata.requires(name) or ():
            wanted = Requirement(text)
            if _applies(wanted, asked):
                waiting.append((canonicalize_name(wanted.name), wanted.extras))
    return found


def _applies(wanted: Requirement, extras: set[str]) -> bool:
    """Whether a distribution asked for with `extras` needs `wanted` on this machine."""
    if wanted.marker is None:
        return True
    return any(wanted.marker.evaluate({"extra": extra}) for extra in {"", *extras})
