"""Importing the registries and the config must not import heavy packages."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("torch", "transformers", "librosa", "sklearn", "pandas", "scipy", "pyarrow", "soundfile")
LIGHT = (
    "config", "errors", "store.run_directory", "store.tables", "store.steering_tables",
    "store.activations", "run",
    "progress", "registry", "identity", "corpus.adapters", "corpus.audio", "subjects", "__main__",
)  # fmt: skip


def test_the_seams_load_no_heavy_library() -> None:
    script = (
        "import importlib, sys\n"
        f"[importlib.import_module('pipeline.' + name) for name in {LIGHT!r}]\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_subjects_fingerprint_loads_no_torch(subject_folder: object) -> None:
    script = (
        "import sys\nfrom pipeline import identity\nfrom pipeline.config import SubjectConfig\n"
        f"identity.subject_fingerprint(SubjectConfig(model={str(subject_folder)!r}, "
        "hookpoints=('decoder.layers.0.resid_post',)))\n"
        "print('torch' in sys.modules, 'transformers' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False False"
