"""`corpus-tags`: the corpus's own tags, ranked by their enrichment among a feature's exemplars.

On the demo corpus the tags are the planted ground truth, so there this method is an upper bound,
not a competitor.

A tag's score z is its log-odds among the exemplars minus its log-odds in the background, both
smoothed with an informative Dirichlet prior derived from the background, divided by the standard
deviation of that difference (Monroe, Colaresi and Quinn, "Fightin' Words", Political Analysis 2008;
here a document is a track, so a tag counts at most once in each, and the odds
are those of a track to have it):

    y  number of exemplars with the tag, of n;  Y  number of background tracks with it, of N
    p = (Y + 1/2) / (N + 1),  a = A p,  b = A (1 − p)                      A = `PRIOR_TRACKS`
    δ = log((y + a) / (n − y + b)) − log((Y + a) / (N − Y + b))
    z = δ / sqrt(1/(y + a) + 1/(n − y + b) + 1/(Y + a) + 1/(N − Y + b))

The background is the validation split, from which the exemplars are taken, without the exemplars.
Confidence is 2Φ(z) − 1 for enriched tags and 0 for the others; a tag that is as common among the
exemplars as elsewhere gets 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from pipeline.context import Floats, SaeContext
from pipeline.errors import PipelineError
from pipeline.labelers.base import Labeler, failed
from pipeline.store.tables import FeatureRecord, LabelCandidate

PRIOR_TRACKS = 2.0
"""Weight A of the prior, in tracks."""


class CorpusTags(Labeler):
    """Labels features with the corpus's tags."""

    def label(
        self, context: SaeContext, features: Sequence[FeatureRecord]
    ) -> Iterator[LabelCandidate]:
        """The most enriched tags of each feature's exemplars; see the module docstring."""
        names, present = tag_matrix(context)
        background = context.in_split("validation")
        everywhere = present[:, background].sum(axis=1), int(background.sum())
        for feature in features:
            places = context.exemplar_places(feature.feature)
            if not len(places) or not names:
                reason = "the corpus has no tags" if len(places) else "the feature has no exemplars"
                yield failed(feature.feature, reason)
                continue
            yield from _candidates(
                feature.feature, names, present[:, places], background[places], everywhere,
                context.config.labels.candidates,
            )  # fmt: skip

    def reading(self, context: SaeContext, texts: Sequence[str]) -> Floats:
        """[text, track]: 1 where the track has the tag, else 0."""
        names, present = tag_matrix(context)
        place = {name: row for row, name in enumerate(names)}
        unknown = sorted(set(texts) - set(place))
        if unknown:
            raise PipelineError(f"no track has the tag {unknown[0]!r}")
        return present[[place[text] for text in texts]].astype(np.float64)


def tag_matrix(context: SaeContext) -> tuple[list[str], npt.NDArray[np.bool_]]:
    """The tags of all usable tracks, sorted, and whether each track has them [tag, track]."""
    names = sorted({tag for record in context.tracks for tag in record.tags})
    row = {name: place for place, name in enumerate(names)}
    present = np.zeros((len(names), len(context.tracks)), dtype=bool)
    for column, record in enumerate(context.tracks):
        present[[row[tag] for tag in record.tags], column] = True
    return names, present


def weighted_log_odds(
    with_tag: npt.NDArray[np.integer],
    tracks: int,
    background_with_tag: npt.NDArray[np.integer],
    background_tracks: int,
    prior_tracks: float = PRIOR_TRACKS,
) -> Floats:
    """z of each tag [tag] by the formula in the module docstring, from y, n, Y, N and A."""
    y, n = with_tag.astype(np.float64), float(tracks)
    big_y, big_n = background_with_tag.astype(np.float64), float(background_tracks)
    share = (big_y + 0.5) / (big_n + 1.0)
    a, b = prior_tracks * share, prior_tracks * (1.0 - share)
    cells = (y + a, n - y + b, big_y + a, big_n - big_y + b)
    delta = np.log(cells[0] / cells[1]) - np.log(cells[2] / cells[3])
    return np.asarray(delta / np.sqrt(sum(1.0 / cell for cell in cells)))


def _candidates(
    feature: str,
    names: list[str],
    present: npt.NDArray[np.bool_],
    background: npt.NDArray[np.bool_],
    everywhere: tuple[npt.NDArray[np.integer], int],
    count: int,
) -> Iterator[LabelCandidate]:
    """The `count` tags with the largest z, largest first; ties by name.

    `present` [tag, exemplar]; `background` [exemplar]: whether it is one of the background tracks;
    `everywhere`: how many of these have each tag [tag], and how many there are.
    """
    from scipy.special import ndtr

    y, n = present.sum(axis=1), present.shape[1]
    big_y = everywhere[0] - present[:, background].sum(axis=1)
    others = everywhere[1] - int(background.sum())
    z = weighted_log_odds(y, n, big_y, others)
    # Rounded, so that a difference in the last bit between machines cannot swap two equal tags.
    order = np.lexsort((np.arange(len(names)), -np.round(z, 9)))[:count]
    for rank, tag in enumerate(order, start=1):
        yield LabelCandidate(
            feature=feature,
            rank=rank,
            text=names[tag],
            confidence=float(max(0.0, 2.0 * ndtr(z[tag]) - 1.0)),
            description=(
                f"{y[tag]} of {n} exemplars have the tag, "
                f"{big_y[tag]} of {others} other validation tracks; "
                f"weighted log-odds z = {z[tag]:.2f}"
            ),
        )
