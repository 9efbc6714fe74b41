"""What is installed works by itself: the wheel is whole, and each extra is all that it needs."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from shutil import copy, copytree, ignore_patterns

import pytest
from packaging.utils import canonicalize_name

from tests.analysis.factories import full_rows, write_csv
from tests.deploy.environments import ROOT, declared, visible_only

PACKAGES = ("analysis", "pipeline", "studyapp")
LOCAL = {*PACKAGES, "fixtures", "tests", "benchmarks", "manage", "requirements"}
ONLY_ON_3_11 = {"essentia"}
INSTALLED_WITHOUT_NEEDS = {"tinysoundfont"}
"""From requirements/no-deps.txt: no extra can name it."""

REPORT = """
import runpy, sys
sys.argv = ["analysis", {table!r}, "--out", {out!r}]
try:
    runpy.run_module("analysis", run_name="__main__", alter_sys=True)
except SystemExit as end:
    assert not end.code, end.code
print(sorted({{"django", "celery", "torch", "pyarrow", "pipeline", "studyapp"}} & {{*sys.modules}}))
"""
EVERY_MODULE = """
import pkgutil
from importlib import import_module
if {package!r} == "studyapp":
    import os, django
    os.environ["DJANGO_SETTINGS_MODULE"] = "studyapp.settings"
    django.setup()
package = import_module({package!r})
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if module.name.rpartition(".")[2] != "__main__":
        import_module(module.name)
print(sorted({without!r} & {{*sys.modules}}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, since a build leaves its own folders beside the sources."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in PACKAGES:
        copytree(ROOT / name, source / name, ignore=ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        copy(ROOT / name, source)
    command = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", command, str(built)],
        cwd=source, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    [path] = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the wheel was installed."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder)
    return folder


def python(code: str, *places: Path) -> str:
    """What `code` prints in an interpreter that sees only its own library and `places`."""
    start = f"import sys; sys.path[:0] = {[str(place) for place in places]!r}\n"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", start + code],
        cwd=places[0], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def test_the_wheel_has_every_file_of_the_packages_and_no_other(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        packed = {name for name in file.namelist() if ".dist-info/" not in name}
    ours = {
        path.relative_to(ROOT).as_posix()
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {Path(name).suffix for name in ours} > {".py", ".html", ".css", ".mo", ".md", ".txt"}
    assert packed == ours


def test_the_core_makes_the_same_report_as_the_whole(installed: Path, tmp_path: Path) -> None:
    core = visible_only([], tmp_path / "core")
    table = write_csv(tmp_path / "responses.csv", full_rows(participants=8, trials=5))
    light, whole = tmp_path / "light", tmp_path / "whole"
    told = python(REPORT.format(table=str(table), out=str(light)), installed, core)
    assert told.splitlines()[-1] == "[]"
    command = [sys.executable, "-m", "analysis", str(table), "--out", str(whole)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    made = {path.relative_to(light) for path in light.rglob("*") if path.is_file()}
    assert made == {path.relative_to(whole) for path in whole.rglob("*") if path.is_file()}
    assert made > {Path("report.html"), Path("summary.json"), Path("estimates.csv")}
    assert [
        name for name in made if (light / name).read_bytes() != (whole / name).read_bytes()
    ] == []


@pytest.mark.parametrize(
    ("package", "extras", "without"),
    [
        ("analysis", [], {"django", "celery", "torch", "pyarrow"}),
        ("pipeline", ["pipeline"], {"django", "celery"}),
        ("studyapp", ["site"], {"torch", "transformers", "librosa", "sklearn"}),
    ],
)
def test_every_module_is_imported_with_its_extra_only(
    package: str, extras: list[str], without: set[str], installed: Path, tmp_path: Path
) -> None:
    needed = visible_only(extras, tmp_path / "needed")
    assert python(EVERY_MODULE.format(package=package, without=without), installed, needed) == "[]"


def imported(package: str) -> Iterator[tuple[str, str]]:
    """(module, file) of everything from elsewhere that `package` imports, lazily or not."""
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [str(node.module)]
            for name in {name.partition(".")[0] for name in names}:
                if name not in LOCAL | sys.stdlib_module_names:
                    yield name, str(path.relative_to(ROOT))


@pytest.mark.parametrize(
    ("package", "extras"),
    [
        ("analysis", []),
        ("pipeline", ["pipeline", "gemini", "essentia", "audiocraft"]),
        ("studyapp", ["site"]),
        ("fixtures", ["demo"]),
        ("tests", ["test"]),
    ],
)
def test_what_is_imported_is_declared(package: str, extras: list[str]) -> None:
    known = declared(extras)
    homes = packages_distributions()
    unknown = {
        (name, path)
        for name, path in imported(package)
        if not known & {canonicalize_name(home) for home in homes.get(name, ())}
    }
    spared = INSTALLED_WITHOUT_NEEDS | (ONLY_ON_3_11 if sys.version_info >= (3, 12) else set())
    assert {(name, path) for name, path in unknown if name not in spared} == set()


def test_the_core_names_nothing_that_the_analysis_does_not_import() -> None:
    homes = packages_distributions()
    used = {canonicalize_name(homes[name][0]) for name, _ in imported("analysis")}
    assert declared([]) == used
