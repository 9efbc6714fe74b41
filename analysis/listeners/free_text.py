"""The listeners' own names (`free_text`): grouped, and compared with the methods' labels.

An *own name* is a main rating's free text with at least one letter or digit. Own names of a feature
are grouped across methods, since they name the same sounds. Similarities are those of the module
`similarity`; each comes with its value for the first labels of *other* features, which shows how
much of it is only common vocabulary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from analysis.arrays import Floats
from analysis.estimates.descriptives import Ratings, rating_share, ratings_of
from analysis.estimates.intervals import LEVEL
from analysis.estimates.results import Estimate, Interval
from analysis.listeners.similarity import Space, embedded, letters, words_of
from analysis.reading.columns import whole
from analysis.reading.labels import Labels
from analysis.reading.table import Responses

GROUP_AT = 0.5
"""Groups of own names are merged while their mean similarity is at least this."""
MOST_GROUPED = 400
"""Most distinct own names of a feature that are grouped; each further one is its own group."""

COLUMNS = (
    "feature", "method", "participation", "free_text", "group", "chosen_label", "first_label",
    "similarity_chosen", "similarity_first", "similarity_elsewhere",
)  # fmt: skip
"""The columns of `tables/free_text.csv`."""

WORDING = {
    "chosen": "similarity of a listener’s own name to the label chosen",
    "first": "similarity of a listener’s own name to the method’s first label",
    "elsewhere": "similarity of a listener’s own name to the first labels of other features",
    "gain": "how much closer own names are to the first label than to those of other features",
}
"""Kind of similarity to the wording of its estimate."""
ALL_WITH_ALL = (
    "no interval was measured to hold: each feature’s label is compared with the own names of all "
    "others"
)
"""A feature counts twice, by its listeners' names and by its label; Student's t on the names alone
covered 13 of 20 studies of 10 features with random embeddings."""


@dataclass(frozen=True)
class Group:
    """Similar own names of one feature; the most frequent is the group's name."""

    name: str
    members: tuple[tuple[str, int], ...]
    """Each distinct name with its count, most frequent first."""

    @property
    def n(self) -> int:
        """Number of own names in the group."""
        return sum(count for _, count in self.members)


@dataclass(frozen=True)
class Named:
    """One feature: each method's labels in order of rank, and the listeners' own names, grouped."""

    feature: str
    labels: tuple[tuple[str, tuple[str, ...]], ...]
    groups: tuple[Group, ...]

    @property
    def n(self) -> int:
        """Number of own names of the feature."""
        return sum(group.n for group in self.groups)


@dataclass(frozen=True)
class OwnWords:
    """All own names of a table; `names` has one row per name: `COLUMNS` and `feature_key`."""

    names: pd.DataFrame
    features: tuple[Named, ...]
    """Most own names first."""
    similarity: str
    """How the similarity was computed, in words."""


def own_words(
    responses: Responses,
    labels: Labels | None,
    *,
    embeddings: Path | None = None,
    command: str | None = None,
) -> OwnWords | None:
    """The own names of a table; None if it has none."""
    if not responses.has("free_text"):
        return None
    rated = responses.ratings
    frame = rated[rated["free_text"].map(lambda text: words_of(text) != "")]
    if frame.empty:
        return None
    offered = _offered(rated, labels)
    first = {(f, m): texts[1] for (f, m), texts in offered.items() if 1 in texts}
    nothing = pd.Series("", index=frame.index)
    chosen = frame["chosen_label"] if "chosen_label" in frame.columns else nothing
    names = pd.DataFrame(
        {
            "feature": frame["feature"],
            "feature_key": frame["feature_key"],
            "method": frame["method"],
            "participation": frame["participation"],
            "free_text": frame["free_text"],
            "chosen_label": chosen,
            "first_label": [
                first.get(key, "")
                for key in zip(frame["feature_key"], frame["method"], strict=True)
            ],
        }
    ).reset_index(drop=True)
    texts = {*names["free_text"], *names["chosen_label"], *names["first_label"], *first.values()}
    space = _space(texts - {""}, embeddings, command)
    names = _compared(names, first, space)
    groups = {
        str(key): grouped(list(found), space)
        for key, found in names.groupby("feature_key", sort=True)["free_text"]
    }
    names["group"] = _group_names(names, groups)
    return OwnWords(names, _features(groups, offered, responses.methods), space.name)


def _space(texts: set[str], embeddings: Path | None, command: str | None) -> Space:
    if embeddings is None and command is None:
        return letters(texts)
    return embedded(texts, file=embeddings, command=command)


def _offered(rated: pd.DataFrame, labels: Labels | None) -> dict[tuple[str, str], dict[int, str]]:
    """Each (feature, method)'s own labels by rank: from `labels.csv`, else from options shown."""
    found: dict[tuple[str, str], dict[int, str]] = {}
    for i in range(1, 6):
        columns = [f"option_{i}", f"option_rank_{i}", f"option_source_{i}"]
        if not set(columns) <= set(rated.columns):
            continue
        own = rated[(rated[columns[2]] == rated["method"]) & (rated[columns[0]] != "")]
        own = own.drop_duplicates(["feature_key", "method", columns[1]])
        cells = (own[c] for c in ("feature_key", "method", columns[1], columns[0]))
        for feature, method, rank, text in zip(*cells, strict=True):
            if (number := whole(rank)) is not None:
                found.setdefault((feature, method), {})[number] = text
    for (feature, method, rank), text in (labels.texts if labels else {}).items():
        found.setdefault((feature, method), {})[rank] = text
    return found


def _compared(
    names: pd.DataFrame, first: Mapping[tuple[str, str], str], space: Space
) -> pd.DataFrame:
    """The names with their similarities; NaN where there is no label to compare with.

    `elsewhere` is the mean similarity to the first labels of all other features: the sum over all
    first labels minus the name's own feature's, over their number minus 1.
    """
    similar = {kind: np.full(len(names), np.nan) for kind in ("chosen", "first", "elsewhere")}
    for kind in ("chosen", "first"):
        there = (names[f"{kind}_label"] != "").to_numpy()
        both = names[there]
        similar[kind][there] = space.cosine(list(both["free_text"]), list(both[f"{kind}_label"]))
    for method in sorted(set(names["method"])):
        texts = [text for (_, m), text in first.items() if m == method]
        mine = ((names["method"] == method) & (names["first_label"] != "")).to_numpy()
        if len(texts) < 2 or not mine.any():
            continue
        total: Floats = np.asarray(space.vectors(texts).sum(axis=0)).ravel()
        to_all = np.asarray(space.vectors(list(names["free_text"][mine])) @ total).ravel()
        similar["elsewhere"][mine] = (to_all - similar["first"][mine]) / (len(texts) - 1)
    return names.assign(**{f"similarity_{kind}": values for kind, values in similar.items()})


def grouped(texts: Sequence[str], space: Space) -> tuple[Group, ...]:
    """Own names in groups by average linkage (UPGMA), largest group first.

    Two groups are merged while the mean cosine between their names is at least `GROUP_AT`. Names
    that differ only in case and punctuation count as one from the start.
    """
    spelled: dict[str, Counter[str]] = {}
    for text in texts:
        spelled.setdefault(words_of(text), Counter())[text.strip()] += 1
    keys = sorted(spelled, key=lambda key: (-sum(spelled[key].values()), key))
    held = dict(zip(keys, _clusters(keys[:MOST_GROUPED], texts, space), strict=False))
    members: dict[int, Counter[str]] = {}
    for place, key in enumerate(keys):
        members.setdefault(held.get(key, -place - 1), Counter()).update(spelled[key])
    found = [_group(counts) for counts in members.values()]
    return tuple(sorted(found, key=lambda group: (-group.n, group.name)))


def _clusters(keys: Sequence[str], texts: Sequence[str], space: Space) -> list[int]:
    if len(keys) < 2:
        return [1] * len(keys)
    one = {words_of(text): text for text in sorted(set(texts), reverse=True)}
    vectors = space.vectors([one[key] for key in keys])
    apart = 1 - np.asarray((vectors @ vectors.T).toarray(), dtype=np.float64)
    apart = np.clip((apart + apart.T) / 2, 0, None)
    np.fill_diagonal(apart, 0.0)
    tree = hierarchy.linkage(squareform(apart, checks=False), method="average")
    return [int(c) for c in hierarchy.fcluster(tree, 1 - GROUP_AT, criterion="distance")]


def _group(counts: Counter[str]) -> Group:
    members = tuple(sorted(counts.items(), key=lambda item: (-item[1], len(item[0]), item[0])))
    return Group(members[0][0], members)


def _group_names(names: pd.DataFrame, groups: Mapping[str, Sequence[Group]]) -> list[str]:
    """The name of each own name's group, [name]."""
    of = {
        (feature, text): group.name
        for feature, found in groups.items()
        for group in found
        for text, _ in group.members
    }
    pairs = zip(names["feature_key"], names["free_text"], strict=True)
    return [of[feature, text.strip()] for feature, text in pairs]


def _features(
    groups: Mapping[str, tuple[Group, ...]],
    offered: Mapping[tuple[str, str], Mapping[int, str]],
    methods: Sequence[str],
) -> tuple[Named, ...]:
    found = [
        Named(
            feature,
            tuple(
                (method, tuple(text for _, text in sorted(offered[feature, method].items())))
                for method in methods
                if (feature, method) in offered
            ),
            own,
        )
        for feature, own in groups.items()
    ]
    return tuple(sorted(found, key=lambda named: (-named.n, named.feature)))


def describe_free_text(
    responses: Responses, own: OwnWords | None, method: str, level: float = LEVEL
) -> Iterator[Estimate]:
    """The share of ratings with an own name, and how similar these are to the method's labels."""
    if own is None:
        return
    ratings = ratings_of(responses, method)
    frame = responses.of(method)
    has_name = frame["free_text"].map(lambda text: words_of(text) != "").to_numpy(dtype=np.float64)
    yield from rating_share(
        ratings,
        has_name,
        "free_text_share",
        "share of ratings with a name given by the listener",
        level,
    )
    names = own.names[own.names["method"] == method]
    values = {
        kind: names[f"similarity_{kind}"].to_numpy(dtype=np.float64)
        for kind in ("chosen", "first", "elsewhere")
    }
    values["gain"] = values["first"] - values["elsewhere"]
    for kind, found in values.items():
        there = np.isfinite(found)
        if there.any():
            named = ratings_of(names[there].assign(rating=0.0), method)
            yield _similarity(kind, found[there], named, level)
        elif kind == "gain" and len(names):
            reason = "no first labels of other features to compare own names with"
            yield ratings.quantity(f"free_text_{kind}", WORDING[kind], "none", level).not_estimable(
                reason
            )


def _similarity(kind: str, values: Floats, ratings: Ratings, level: float) -> Estimate:
    """A mean similarity, with Student's t on the recommended clustered standard error."""
    linear = ratings.linear(values)
    way = linear.recommended
    # A difference of two cosines lies between −2 and 2.
    interval = linear.student(way, level, (-2.0, 2.0))
    if kind == "elsewhere":
        interval = Interval.none(ALL_WITH_ALL)
    quantity = ratings.quantity(f"free_text_{kind}", WORDING[kind], "none", level)
    return quantity.estimated(linear.value, interval, clustered_by=way)
