"""The Python code that benchmarks run in another process is checked as if it were a module.

Such code is a string, so neither mypy nor a test of the benchmark's own imports sees it.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
IMPORT = re.compile(r"^(?:from [\w.]+ import|import \w)", re.MULTILINE)
"""What makes a string Python code: a line that imports."""
FIELD = re.compile(r"(?<!\{)\{\w+\}(?!\})")
"""A place that `str.format` fills in."""


def text_of(node: ast.expr) -> str:
    """The string that a literal stands for, with 0 in place of what is filled in later."""
    if isinstance(node, ast.JoinedStr):
        parts = (one.value if isinstance(one, ast.Constant) else "0" for one in node.values)
        return "".join(map(str, parts))
    return FIELD.sub("0", node.value) if isinstance(node, ast.Constant) else ""


def strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of every string that is not a docstring or another string by itself."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            alone |= {id(part) for part in node.values}
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if (is_text or isinstance(node, ast.JoinedStr)) and id(node) not in alone:
            yield node.lineno, text_of(node)


def embedded() -> dict[str, str]:
    """Where it stands → code that a benchmark runs elsewhere."""
    found = {}
    for path in sorted(FOLDER.rglob("*.py")):
        for line, text in strings(ast.parse(path.read_text(encoding="utf-8"))):
            if IMPORT.search(text):
                found[f"{path.relative_to(FOLDER)}:{line}"] = text
    return found


CODE = embedded()


def missing(tree: ast.Module) -> list[str]:
    """What the code takes from a module that does not have it."""
    modules: dict[str, ModuleType] = {}
    lost = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for one in node.names:
                try:
                    __import__(node.module, fromlist=[one.name])
                except ModuleNotFoundError:
                    lost.append(node.module)
                    continue
                value = getattr(sys.modules[node.module], one.name, None)
                if value is None:
                    lost.append(f"{node.module}.{one.name}")
                if isinstance(value, ModuleType):
                    modules[one.asname or one.name] = value
        elif isinstance(node, ast.Import):
            for one in node.names:
                modules[one.asname or one.name] = import_module(one.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = modules.get(node.value.id)
            if module is not None and not hasattr(module, node.attr):
                lost.append(f"{module.__name__}.{node.attr}")
    return lost


def undefined(code: str) -> str:
    """ruff's word on names that are used but not defined; empty if there are none."""
    asked = [sys.executable, "-m", "ruff", "check", "--isolated", "-q", "--select", "F821", "-"]
    return subprocess.run(asked, input=code, text=True, capture_output=True, check=False).stdout


def test_the_code_of_every_benchmark_that_has_some_is_found() -> None:
    assert {where.partition(":")[0] for where in CODE} == {
        "arrivals.py", "common/served.py", "kills.py", "load.py", "page_weight.py",
        "participants/consent.py",
        "rehearsal/__main__.py", "runs/pieces.py", "simulated/pairs.py",
    }  # fmt: skip


@pytest.mark.parametrize("where", CODE)
def test_embedded_code_takes_only_what_there_is(where: str) -> None:
    tree = ast.parse(CODE[where])
    assert missing(tree) == []
    assert undefined(CODE[where]) == ""
