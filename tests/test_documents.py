"""The documents name only files, folders and modules that exist.

A path is what stands in backticks or behind a link and ends in `/` or in one of `SUFFIXES`. It is
written from the root, from the document's folder, or from a package or room that the text names;
so it must be the end of an existing path. Paths with a word in capitals are placeholders.
"""

from __future__ import annotations

import re
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "ARCHITECTURE.md", ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SUFFIXES = (".py", ".md", ".toml", ".yaml", ".conf", ".ipynb", "/")
PATH = re.compile(r"[\w.*-]+(?:/[\w.*-]+)*/?")
LATER = {"pipeline/labelers/loudness_words.py", "data/"}
"""Paths that a reader or a program creates."""


@cache
def existing() -> tuple[PurePosixPath, ...]:
    """Files that git tracks or would track, and their folders, relative to the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True)
    files = [PurePosixPath(line) for line in listed.stdout.splitlines()]
    found = {path for path in files if (ROOT / path).exists()}
    return tuple(found | {folder for path in found for folder in path.parents})


def prose_of(text: str) -> str:
    """A document without its fenced code blocks, which show other people's paths too."""
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)


def paths_in(text: str) -> set[str]:
    """The words in backticks or behind links that look like paths of the repository."""
    prose = prose_of(text)
    words = set(re.findall(r"`([^`\s]+)`", prose))
    words |= {link.partition("#")[0] for link in re.findall(r"\]\(([^)\s:]+)\)", prose)}
    found = {word for word in words if word.endswith(SUFFIXES) and PATH.fullmatch(word)}
    return {word for word in found if not re.search(r"\b[A-Z]{2,}\b(?!\.md)", word)} - LATER


def exists(path: str) -> bool:
    """Whether some file's or folder's path ends in `path`, in which `*` stands for any letters."""
    return any(one.match(path.removeprefix("../")) for one in existing())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_in_a_document_exists(document: Path) -> None:
    missing = sorted(path for path in paths_in(document.read_text()) if not exists(path))
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_module_that_a_document_runs_exists(document: Path) -> None:
    modules = set(re.findall(r"python -m ([a-z_][\w.]*\w)", document.read_text()))
    assert sorted(name for name in modules if find_spec(name) is None) == []


def test_a_path_that_has_moved_is_found_out() -> None:
    text = "see `pipeline/fingerprints.py`, `config/load.py`, [x](docs/api.md) and `/readyz`"
    assert paths_in(text) == {"pipeline/fingerprints.py", "config/load.py", "docs/api.md"}
    assert [path for path in sorted(paths_in(text)) if not exists(path)] == [
        "pipeline/fingerprints.py"
    ]
