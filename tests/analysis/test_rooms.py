"""The rooms of `analysis`: which may import which, and that no room grows too large."""

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST_MODULES = 20


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """import-linter on a copy of `analysis` in `folder`, under the project's own contracts."""
    command = "from importlinter.cli import lint_imports_command as run; run()"
    return subprocess.run(
        [sys.executable, "-c", command, "--config", "contracts.toml", "--no-cache"],
        cwd=folder,
        text=True,
        capture_output=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(
        ROOT / "analysis", tmp_path / "analysis", ignore=shutil.ignore_patterns("__pycache__")
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lines = ["[tool.importlinter]", 'root_packages = ["analysis"]']
    for contract in project["tool"]["importlinter"]["contracts"]:
        if ["analysis"] in (contract.get("containers"), contract.get("ancestors")):
            lines.append("[[tool.importlinter.contracts]]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in contract.items()]
    (tmp_path / "contracts.toml").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


def test_the_rooms_keep_their_order(copy: Path) -> None:
    told = lint(copy)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "2 kept, 0 broken" in told.stdout


@pytest.mark.parametrize(
    ("module", "planted", "broken"),
    [
        ("reading/table.py", "import analysis.estimates.intervals", "imports only the rooms below"),
        ("models/mixed.py", "import analysis.listeners.choices", "imports only the rooms below"),
        ("errors.py", "import analysis.reading.columns", "imports only the rooms below"),
        ("report/text.py", "import analysis.report.sections", "no cycle"),
        ("loose.py", "", "imports only the rooms below"),
    ],
)
def test_a_planted_import_and_a_loose_module_are_found(
    copy: Path, module: str, planted: str, broken: str
) -> None:
    with (copy / "analysis" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{planted}\n")
    told = lint(copy)
    assert told.returncode == 1, told.stderr
    assert f"{broken}" in told.stdout
    assert "BROKEN" in told.stdout


def test_no_folder_has_more_modules_than_one_can_look_over() -> None:
    folders = [ROOT / "analysis", *(p.parent for p in (ROOT / "analysis").glob("*/__init__.py"))]
    counts = {str(f.relative_to(ROOT)): len(list(f.glob("*.py"))) for f in folders}
    assert len(counts) == 7
    assert max(counts.values()) <= MOST_MODULES, counts
