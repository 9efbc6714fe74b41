"""The rooms of each package: import rules are checked, and no room gets too large."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("studyapp", "pipeline", "analysis")
"""The packages whose contracts name all of their rooms."""
MOST_MODULES = 20


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """import-linter on the copy of a package in `folder`, under the project's own contracts."""
    command = "from importlinter.cli import lint_imports_command as run; run()"
    return subprocess.run(
        [sys.executable, "-c", command, "--config", "contracts.toml", "--no-cache"],
        cwd=folder,
        text=True,
        capture_output=True,
        check=False,
    )


ABOUT = ("containers", "ancestors", "protected_modules", "allowed_importers")
"""Keys of a contract that name modules in full."""


def contracts_of(package: str) -> list[dict[str, Any]]:
    """The project's contracts that are about the inside of a package alone."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    inside = []
    for contract in project["tool"]["importlinter"]["contracts"]:
        named = [name for key in ABOUT for name in contract.get(key, ())]
        if {name.partition(".")[0] for name in named} == {package}:
            inside.append(contract)
    return inside


def copy_of(package: str, folder: Path) -> Path:
    """A copy of the package beside its contracts."""
    ignored = shutil.ignore_patterns("__pycache__", "static", "locale", "templates")
    shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    lines = ["[tool.importlinter]", f"root_packages = {json.dumps([package])}"]
    for contract in contracts_of(package):
        lines.append("[[tool.importlinter.contracts]]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in contract.items()]
    (folder / "contracts.toml").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: copy_of(name, tmp_path_factory.mktemp(name)) for name in PACKAGES}


@contextmanager
def planted(path: Path, line: str) -> Iterator[None]:
    """A line more at the end of a module, or a new module, for as long as the context lasts."""
    before = path.read_text(encoding="utf-8") if path.exists() else None
    path.write_text(f"{before or ''}\n{line}\n", encoding="utf-8")
    try:
        yield
    finally:
        path.unlink() if before is None else path.write_text(before, encoding="utf-8")


@pytest.mark.parametrize("package", PACKAGES)
def test_the_rooms_keep_their_order(package: str, copies: dict[str, Path]) -> None:
    told = lint(copies[package])
    assert told.returncode == 0, told.stdout + told.stderr
    assert f"{len(contracts_of(package))} kept, 0 broken" in told.stdout
    kinds = {contract["type"] for contract in contracts_of(package)}
    assert {"layers", "acyclic_siblings"} <= kinds


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("analysis/reading/table.py", "import analysis.estimates.intervals", "rooms below"),
        ("analysis/models/mixed.py", "import analysis.listeners.choices", "rooms below"),
        ("analysis/errors.py", "import analysis.reading.columns", "rooms below"),
        ("analysis/report/text.py", "import analysis.report.sections", "no cycle"),
        ("analysis/loose.py", "", "rooms below"),
        ("studyapp/core/keys.py", "import studyapp.studies.selectors", "rooms below"),
        (
            "studyapp/studies/selectors/people.py",
            "import studyapp.studies.services",
            "inside a room",
        ),
        # One that a function hides counts like any other.
        ("pipeline/clap/backends.py", "def f():\n    import pipeline.identity", "rooms below"),
        ("pipeline/recovery/probe.py", "import pipeline.stages.corpus", "know pipeline's stages"),
        ("pipeline/subjects/hooks.py", "import pipeline.subjects.convert", "no cycle"),
        ("pipeline/loose.py", "", "rooms below"),
    ],
)
def test_a_planted_import_and_a_loose_module_are_found(
    module: str, line: str, broken: str, copies: dict[str, Path]
) -> None:
    folder = copies[module.partition("/")[0]]
    with planted(folder / module, line):
        told = lint(folder)
    assert told.returncode == 1, told.stderr
    found = " ".join(told.stdout.split())
    assert broken in found
    assert "BROKEN" in found


def test_no_folder_has_more_modules_than_one_can_look_over() -> None:
    counts = {
        folder.relative_to(ROOT).as_posix(): len(list(folder.glob("*.py")))
        for top in (*PACKAGES, "fixtures", "benchmarks", "tests")
        for folder in (ROOT / top, *(path for path in (ROOT / top).rglob("*") if path.is_dir()))
        if folder.name != "migrations"
    }
    assert {folder: count for folder, count in counts.items() if count > MOST_MODULES} == {}
