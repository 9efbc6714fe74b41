"""Environment variables about runs: read correctly, or rejected by name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

READ = """
import json
from django.conf import settings as s
print(json.dumps([s.CORPORA, s.MODELS, s.GEMINI_BUDGET, s.GEMINI_MODELS, s.RUNS_PER_PROJECT]))
"""


def read(data: Path, **given: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ, **given,
        "EARWITNESS_DATA": str(data), "DJANGO_SETTINGS_MODULE": "studyapp.settings",
    }  # fmt: skip
    command = [sys.executable, "-c", READ]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_lists_have_colons_or_commas_and_folders_of_the_data_are_the_default(
    tmp_path: Path,
) -> None:
    usual = json.loads(read(tmp_path, EARWITNESS_CORPORA="").stdout)
    assert usual == [[f"{tmp_path}/corpora"], [f"{tmp_path}/models"], 10.0, {}, 4]
    given = read(
        tmp_path,
        EARWITNESS_CORPORA="/a:/b, /c",
        EARWITNESS_MODELS="/models,facebook/musicgen-small:facebook/musicgen-large",
        EARWITNESS_GEMINI_BUDGET="2.5",
        EARWITNESS_GEMINI_MODELS="gemini-2.5-pro=1.25/0.3/10, other=1/2/3",
        EARWITNESS_RUNS_PER_PROJECT="9",
    )
    assert json.loads(given.stdout) == [
        ["/a", "/b", "/c"],
        ["/models", "facebook/musicgen-small", "facebook/musicgen-large"],
        2.5,
        {"gemini-2.5-pro": [1.25, 0.3, 10.0], "other": [1.0, 2.0, 3.0]},
        9,
    ]


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("EARWITNESS_GEMINI_BUDGET", "-1", "it must be dollars, 0 or more"),
        ("EARWITNESS_GEMINI_MODELS", "gemini-2.5-pro=1", "write MODEL=AUDIO/TEXT/OUTPUT"),
        ("EARWITNESS_RUNS_PER_PROJECT", "0", "it must be 1 or more"),
        ("PROLIFIC_API", "http://api.example", "would be sent over http"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(
    tmp_path: Path, name: str, value: str, line: str
) -> None:
    given = {"PROLIFIC_TOKEN": "secret", name: value}
    last = read(tmp_path, **given).stderr.strip().splitlines()[-1]
    assert name in last
    assert line in last
