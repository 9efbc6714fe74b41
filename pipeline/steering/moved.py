"""Which other features move when one is steered: the selectivity of an intervention, by name.

`others_moved` of an effect is a mean over all other kept features; here are those that moved most.
A feature that moves a lot along random directions too says little, so the table has both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.steering.interventions import PAIR
from pipeline.steering.plan import PLAIN, POOL, Clip
from pipeline.steering.settings import EvaluationConfig
from pipeline.steering.vectors import index_of
from pipeline.store.steering_tables import MovedRecord

MOST = 10
"""Other features that are listed per feature and intervention."""


def moved_records(
    sae: str,
    clips: Sequence[Clip],
    latents: np.ndarray,
    kept: np.ndarray,
    spread: np.ndarray,
    config: EvaluationConfig,
) -> Iterator[MovedRecord]:
    """The features that moved most at α = 1, mean over seeds, per feature and intervention.

    `latents` [clip, kept feature] are mean activations when the audio is read again, `kept` their
    indices, `spread` [kept feature] their standard deviations over validation tracks.
    """
    plain = {
        (one.asked.prompt, one.seed): row
        for row, one in enumerate(clips)
        if one.intervention == PLAIN
    }
    moves: dict[tuple[str, str], list[np.ndarray]] = {}
    along: dict[int, list[np.ndarray]] = {}
    for row, one in enumerate(clips):
        if one.alpha == 1.0:
            before = plain[one.asked.beside(config), one.seed]
            move = (latents[row] - latents[before]) / spread
            if one.intervention == POOL:
                along.setdefault(one.draw, []).append(move)
            else:
                moves.setdefault((one.feature, one.intervention), []).append(move)
    # Over seeds first, as of features: the size of single clips' moves would be larger by noise.
    random = np.mean([np.abs(np.mean(each, axis=0)) for each in along.values()], axis=0)
    for (feature, intervention), each in moves.items():
        mean = np.mean(each, axis=0)
        own = None if feature.startswith(PAIR) else index_of(feature)
        order = [place for place in np.argsort(-np.abs(mean), kind="stable") if kept[place] != own]
        for rank, place in enumerate(order[:MOST], start=1):
            yield MovedRecord(
                feature=feature,
                intervention=intervention,
                rank=rank,
                other=f"{sae}/{kept[place]}",
                moved=float(mean[place]),
                seeds=len(each),
                random_moved=float(random[place]),
            )
