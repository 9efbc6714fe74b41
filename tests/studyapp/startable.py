"""A config that a run can start with on this machine: an empty sound and the nano model."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

MODEL = str(Path("fixtures/nano/musicgen-nano").resolve())
CLAP = str(Path("fixtures/nano/clap-nano").resolve())
CORPUS = str(Path(settings.DATA) / "startable")
HOOKPOINT = "decoder.layers.0.resid_post"
TEXT = f'[subject]\nmodel = "{MODEL}"\nhookpoints = ["{HOOKPOINT}"]\n[corpus]\npath = "{CORPUS}"\n'

Path(CORPUS).mkdir(parents=True, exist_ok=True)
(Path(CORPUS) / "0.wav").touch()
