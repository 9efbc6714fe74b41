"""Measures what remains of steering after it stops: `python -m pipeline steer DIR --evaluate
--horizons`.

Input as for `steering_evaluation`, whose tables it leaves as they are. Output per SAE:
`steering/NAME.horizons.parquet`, one row per feature, intervention, α, seed and window; of all SAEs
`steering/horizons.parquet`. Estimates: `pipeline/steering/horizons/continuity.py`.
"""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np

from pipeline.clap import backends
from pipeline.parallel import torch_threads
from pipeline.progress import Progress
from pipeline.steering import evaluation
from pipeline.steering.concepts import NONE
from pipeline.steering.hearing import Ear
from pipeline.steering.horizons.table import HORIZONS, Horizons, horizon_records
from pipeline.steering.horizons.windows import (
    STAGE,
    WindowEar,
    effects,
    stopped,
    stopping,
    windows_of,
)
from pipeline.steering.layers import placed
from pipeline.steering.material import material_of
from pipeline.steering.plan import planned
from pipeline.steering.settings import HorizonsConfig
from pipeline.steering.tools import (
    Tools,
    aims_of_sae,
    checked,
    exemplar_embeddings,
    features_of_sae,
    loaded,
)
from pipeline.store.records import table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.steering_tables import HorizonEffectRecord, HorizonRecord
from pipeline.store.writers import StageWriter


def evaluate_horizons(
    config: HorizonsConfig,
    directory: RunDirectory,
    *,
    progress: Progress,
    device: str | None = None,
) -> None:
    """Evaluate horizons on every SAE that the config names, replacing an earlier such evaluation;
    one that was interrupted continues.

    Raises `PipelineError` as `steering_evaluation.evaluate` does.
    """
    run, names = checked(config, directory, device=device, progress=progress)
    with directory.lock():
        scratch = directory.scratch(STAGE)
        with directory.writer(STAGE) as writer, torch_threads(run.machine):
            tools = loaded(config, run, directory, progress, with_concepts=False)
            found = [row for name in names for row in _sae(tools, config, writer, name)]
            writer.write_table(HORIZONS, table_of(HorizonRecord, found))
            writer.summary.update(
                config=asdict(config) | {"pairs": bool(config.pairs)},
                clap=backends.fingerprint(run.clap),
            )
        scratch.clear()


def _sae(
    tools: Tools, config: HorizonsConfig, writer: StageWriter, name: str
) -> list[HorizonRecord]:
    """Evaluate one SAE and write its rows."""
    directory = tools.directory
    # 1) The features and the clips; every vector acts up to the stop.
    material = material_of(directory, name, config, tools.subject)
    features = features_of_sae(tools, material, name)
    if not features:
        return []
    material, _ = placed(tools.subject, material, features, tools.progress)
    rate = tools.subject.facts.frame_rate
    material = replace(material, schedule=stopped(config, rate))
    clips = planned(config, material, [*features, *material.pairs])
    if config.forget:
        clips = [replace(one, forget_at=stopping(config, rate)) for one in clips]
    # 2) Generate and listen, window by window.
    kept = np.array(sorted(one.index for one in material.features.values()))
    ear = Ear(tools.clap, tools.subject, material.stored, kept, NONE)
    windows = WindowEar(ear, config)
    stamp = f"{tools.stamp} {windows_of(config)} {config.forget} recurrence"
    found = evaluation.heard(
        ear, clips, directory.scratch(STAGE), stamp=stamp,
        seconds=config.seconds, rows=config.rows, progress=tools.progress, hear=windows.hear,
    )  # fmt: skip
    # 3) One row per clip, feature and window, and the table.
    aims = aims_of_sae(tools, material, features, exemplar_embeddings(tools, name, features))
    _, validation = evaluation.mean_activations(directory, name, kept, "validation")
    spread = evaluation.deviations(validation)
    rows = list(effects(windows, clips, found, aims, spread))
    writer.write_table(f"steering/{name}.horizons.parquet", table_of(HorizonEffectRecord, rows))
    return list(horizon_records(name, Horizons(rows)))
