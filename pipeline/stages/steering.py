"""Steering: generates music with a feature's activation increased, and the same music without.

Source: Singh, Cherep and Maes (arXiv 2505.18186): x' = x + α β W_dec[j] at the SAE's hookpoint in
every step, where β is the largest activation of feature j over its exemplars, with the prompt
"Simple melody" and the same seed with and without; or another of the interventions in
`pipeline/steering/interventions.py`. Input: `sae/`, `features/`, `exemplars/`, labels for prompts,
the subject. Output per SAE: `steering/NAME.parquet` and its audio in `steering/NAME/clips/`.
Whether the steered music is closer to the exemplars is measured by `steering_evaluation`.

Choices that the paper leaves open: the vector is added to both halves of a batch under
classifier-free guidance (see `pipeline.subjects.base.Intervention`), and the first step is steered
like all others. With α = 0 no token changes; the share of changed tokens is recorded for every α.

Steering has its own command, for runs that have exemplars: what to steer is chosen after looking at
the features, so it is not part of the run's key.
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
from pipeline.store.records import table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.steering_tables import SteeringRecord
from pipeline.subjects import STANDINS, load_subject


def steer(
    config: SteeringConfig,
    directory: RunDirectory,
    *,
    progress: Progress,
    device: str | None = None,
) -> None:
    """Generate the clips for every SAE on `device`, replacing those of an earlier call.

    Raises `PipelineError` if the run has no exemplars or its subject has changed.
    """
    if not directory.is_done("exemplars"):
        raise PipelineError(f"{directory}: stage exemplars is not done; run it first")
    run = config_from_dict(directory.description("config")["config"])
    if run.subject.control in STANDINS:
        raise PipelineError(
            f"{directory} reads a control ({run.subject.control}), which cannot generate music"
        )
    run = on_device(run, device, progress)
    with directory.lock(), directory.writer("steering") as writer, torch_threads(run.machine):
        subject = load_subject(run.subject, device=run.machine.device)
        for name in directory.sae_names():
            records = steer_sae(config, directory, writer, subject, name, progress)
            writer.write_table(f"steering/{name}.parquet", table_of(SteeringRecord, records))
        writer.summary["config"] = asdict(config) | {"pairs": bool(config.pairs)}
