"""Steering: music with a feature turned up, beside the same music without.

Source: Singh, Cherep and Maes (arXiv 2505.18186): x' = x + α β W_d[j] at the SAE's hookpoint in
every step, β the largest activation of feature j over its exemplars, prompt "Simple melody", the
same seed with and without. Input: `sae/`, `features/`, `exemplars/`, the subject. Output, for each
SAE: `steering/NAME.parquet` and the audio it names, in `steering/NAME/clips/`. Whether the
steered music is nearer to the exemplars is for a scorer to judge.

What the paper leaves open: the vector goes to both halves of a guided batch (see
`pipeline.subjects.base.Intervention`), and the first step is steered like all others. With α = 0
no token changes; the share that does is written down for every α.

The stage runs by its own command once a run has exemplars: what is steered is chosen after looking
at the features, so it is no part of the run's key.
"""

from __future__ import annotations

from dataclasses import asdict

from pipeline.config import config_from_dict
from pipeline.devices import on_device
from pipeline.errors import PipelineError
from pipeline.parallel import torch_threads
from pipeline.progress import Progress
from pipeline.steering.generation import steer_sae
from pipeline.steering.settings import SteeringConfig
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import (
    SteeringRecord,
    table_of,
)
from pipeline.subjects import STANDINS, load_subject


def steer(
    config: SteeringConfig,
    directory: RunDirectory,
    *,
    progress: Progress,
    device: str | None = None,
) -> None:
    """Make the clips of every SAE, computed on `device`; what was made before is replaced.

    Raises `PipelineError` if the run has no exemplars or its subject is not the one it had.
    """
    if not directory.is_done("exemplars"):
        raise PipelineError(f"{directory.path}: stage exemplars is not done; run it first")
    run = config_from_dict(directory.description("config")["config"])
    if run.subject.control in STANDINS:
        raise PipelineError(
            f"{directory.path} reads a control ({run.subject.control}), which cannot generate music"
        )
    run = on_device(run, device, progress)
    with directory.lock(), directory.writer("steering") as writer, torch_threads(run.machine):
        subject = load_subject(run.subject, device=run.machine.device)
        for name in directory.sae_names():
            records = steer_sae(config, directory, writer, subject, name, progress)
            writer.write_table(f"steering/{name}.parquet", table_of(SteeringRecord, records))
        writer.summary.update({"config": asdict(config)})
