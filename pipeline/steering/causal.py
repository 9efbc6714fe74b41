"""Is a feature needed for its concept? Ablations beside random ones of the same size.

In music that is asked for by the feature's label the feature is taken out (`ablate-asked`), or as
much, in every step, of a random direction (`random-ablation`). An ablation that breaks the music
lowers every concept; one that takes a concept out lowers its own more than the random one does, and
leaves loudness, silence and clipping as they were.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.steering import slopes as estimate
from pipeline.steering.slopes import finite
from pipeline.steering.table import ABLATIONS, MEASURES, Effects
from pipeline.store.steering_tables import AblationRecord

OWN, RANDOM = ABLATIONS


def ablation_records(sae: str, effects: Effects) -> Iterator[AblationRecord]:
    """How far each measure falls at α = 1, beside random ablations of the same features."""
    at = int(np.flatnonzero(effects.alphas == 1.0)[0])
    for measure in MEASURES:
        ours, theirs = (effects.gains(name, measure) for name in (OWN, RANDOM))
        keys = [key for key in ours if key in theirs]
        if not keys:
            continue
        fall, random = (-np.array([found[key][:, at] for key in keys]) for found in (ours, theirs))
        mean, more = estimate.clustered(fall), estimate.clustered(fall - random)
        yield AblationRecord(
            sae=sae,
            measure=measure,
            features=len(keys),
            seeds=fall.shape[1],
            fall=mean.value,
            low=finite(mean.low),
            high=finite(mean.high),
            random_fall=float(random.mean()),
            more=more.value,
            more_low=finite(more.low),
            more_high=finite(more.high),
            p=finite(more.p),
            own_moved=finite(effects.at_one(OWN, lambda r: r.own_moved)),
            random_own_moved=finite(effects.at_one(RANDOM, lambda r: r.own_moved)),
            loudness_lufs=finite(effects.at_one(OWN, lambda r: r.loudness_lufs)),
            random_loudness_lufs=finite(effects.at_one(RANDOM, lambda r: r.loudness_lufs)),
            silent_share=effects.at_one(OWN, lambda r: r.silent_share),
            random_silent_share=effects.at_one(RANDOM, lambda r: r.silent_share),
        )
