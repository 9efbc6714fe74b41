"""Imported by each worker of `benchmarks.runs.pieces` before it forks its process.

A worker's first piece imports torch and transformers, seven seconds of a core; with four workers
that have just been started, most of these fall into the first stage that is measured. This is what
a worker has after its first run.
"""

from benchmarks.common.served import ROOT
from pipeline.config import SubjectConfig
from pipeline.subjects import load_subject

NANO = ROOT / "fixtures" / "nano" / "musicgen-nano"

load_subject(
    SubjectConfig(model=str(NANO), hookpoints=("decoder.layers.0.resid_post",)), device="cpu"
)
