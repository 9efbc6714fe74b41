"""H = I + Z'WZ of several random effects: its determinant, and products with its inverse.

One effect, the one with most levels, is eliminated first, with the effect that it is nested in
(participant × method in participant), if there is one: within each level of the latter H is then a
small block, and different levels do not meet. With D these blocks, E the eliminated effects, R all
others, A their part of H and C the crossing of the two [level of R, level of E],

    H = [A C; C' D],   log det H = log det D + log det S,   S = A − C D⁻¹ C',

where S, the Schur complement, is dense and as large as the number of levels in R.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, sparse

from analysis.arrays import Floats, Ints
from analysis.estimates.intervals import sums_within

MOST_NESTED = 12
"""An effect with more levels than this inside one level of the other is not eliminated with it."""


@dataclass(frozen=True)
class Layout:
    """Where each random effect's levels lie; made once for a model's data."""

    levels: tuple[Ints, ...]
    """Each effect's level of each rating, [rating], in the order given."""
    sizes: tuple[int, ...]
    fine: int
    """The eliminated effect with most levels."""
    coarse: int | None
    """The effect that it is nested in and eliminated with."""
    block: int
    """Size k of D's blocks."""
    parent: Ints
    """The coarse effect's level of each level of the fine one, or its own number, [level]."""
    slot: Ints
    """The place of each level of the fine effect in its block, [level]."""
    offset: dict[int, int]
    """The first place in R of each effect that is not eliminated."""

    @property
    def rest(self) -> int:
        """Number of levels in R."""
        return sum(self.sizes[i] for i in self.offset)

    @property
    def blocks(self) -> int:
        """Number of D's blocks."""
        return self.sizes[self.fine if self.coarse is None else self.coarse]

    @property
    def eliminated(self) -> tuple[int, ...]:
        """The effects in E."""
        return (self.fine,) if self.coarse is None else (self.fine, self.coarse)

    def inside(self, effect: int) -> Ints:
        """The places in E of an eliminated effect's levels, [level]; a block has `block` places."""
        if effect == self.fine:
            return self.parent * self.block + self.slot
        return np.arange(self.sizes[effect]) * self.block


def layout_of(levels: tuple[Ints, ...], sizes: tuple[int, ...]) -> Layout:
    """The layout of random effects: which are eliminated, and where their levels lie."""
    fine = max(range(len(sizes)), key=lambda i: sizes[i])
    coarse, parent = _nesting(levels, sizes, fine)
    if coarse is None:
        parent, slot, block = np.arange(sizes[fine]), np.zeros(sizes[fine], dtype=np.int64), 1
    else:
        # The block's first place is the coarse level's own.
        order = np.argsort(parent, kind="stable")
        counts = np.bincount(parent, minlength=sizes[coarse])
        slot = np.empty(sizes[fine], dtype=np.int64)
        slot[order] = 1 + np.arange(sizes[fine]) - np.repeat(np.cumsum(counts) - counts, counts)
        block = 1 + int(counts.max())
    offset, place = {}, 0
    for i, size in enumerate(sizes):
        if i not in (fine, coarse):
            offset[i], place = place, place + size
    return Layout(levels, sizes, fine, coarse, block, parent, slot, offset)


def _nesting(
    levels: tuple[Ints, ...], sizes: tuple[int, ...], fine: int
) -> tuple[int | None, Ints]:
    """The effect with most levels in which `fine` is nested, and each fine level's level of it."""
    for i in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        if i == fine:
            continue
        parent = np.zeros(sizes[fine], dtype=np.int64)
        parent[levels[fine]] = levels[i]
        nested = bool(np.array_equal(parent[levels[fine]], levels[i]))
        if nested and np.bincount(parent).max() <= MOST_NESTED:
            return i, parent
    return None, np.arange(sizes[fine])


class Curvature:
    """H for weights W [rating] and Z's entries σ [effect], of which each is a number or [rating].

    `LinAlgError` if H is not positive definite, which only observed weights can make it.
    """

    def __init__(self, weight: Floats, layout: Layout, sigma: Sequence[float | Floats]) -> None:
        self.layout, self.sigma = layout, sigma
        # 1) D, its inverse and determinant.
        blocks = self._blocks(weight)
        self.inverses = np.linalg.inv(blocks) if layout.block > 1 else 1 / blocks
        sign, log_det = np.linalg.slogdet(blocks)
        if np.any(sign <= 0):
            raise linalg.LinAlgError("a block of H is not positive definite")
        self.log_det = float(log_det.sum())
        if layout.rest:
            # 2) C, C D⁻¹, and the Cholesky factor of S.
            cross = self._cross(weight)
            self.over: Any = (cross @ self._spread()).tocsr()
            schur = self._rest(weight) - (self.over @ cross.T).toarray()
            self.factor = linalg.cho_factor(schur, lower=True)
            self.log_det += 2 * float(np.log(np.diag(self.factor[0])).sum())

    def _blocks(self, weight: Floats) -> Floats:
        """D, [block, k, k], with 1 on the diagonal of places that no level has."""
        at = self.layout
        found = np.tile(np.eye(at.block), (at.blocks, 1, 1))
        level, size, own = at.levels[at.fine], at.sizes[at.fine], self.sigma[at.fine]
        found[at.parent, at.slot, at.slot] += sums_within(own * own * weight, level, size)
        if at.coarse is not None:
            s = self.sigma[at.coarse]
            found[:, 0, 0] += sums_within(s * s * weight, at.levels[at.coarse], at.blocks)
            across = sums_within(s * own * weight, level, size)
            found[at.parent, 0, at.slot] = found[at.parent, at.slot, 0] = across
        return found

    def _spread(self) -> Any:
        """D⁻¹ as a sparse matrix."""
        number = np.arange(len(self.inverses))
        return sparse.bsr_array((self.inverses, number, np.append(number, len(number))))

    def _cross(self, weight: Floats) -> Any:
        """C."""
        at = self.layout
        shape = (at.rest, at.blocks * at.block)
        total = sparse.csr_array(shape)
        for i, first in at.offset.items():
            for e in at.eliminated:
                columns = at.inside(e)[at.levels[e]]
                entries = self.sigma[i] * self.sigma[e] * weight
                total = total + sparse.csr_array(
                    (entries, (first + at.levels[i], columns)), shape=shape
                )
        return total

    def _rest(self, weight: Floats) -> Floats:
        """A."""
        at = self.layout
        total = np.eye(at.rest)
        for i, first in at.offset.items():
            for j, second in at.offset.items():
                place = (first + at.levels[i]) * at.rest + second + at.levels[j]
                entries = self.sigma[i] * self.sigma[j] * weight
                total += sums_within(entries, place, at.rest**2).reshape(at.rest, at.rest)
        return total

    def solve(self, right: list[Floats]) -> list[Floats]:
        """H⁻¹ times a stacked vector, given and returned by effect, by block elimination."""
        at = self.layout
        inner = np.zeros(at.blocks * at.block)
        for e in at.eliminated:
            inner[at.inside(e)] = right[e]
        outer = np.zeros(at.rest)
        if at.rest:
            for i, first in at.offset.items():
                outer[first : first + at.sizes[i]] = right[i]
            outer = linalg.cho_solve(self.factor, outer - self.over @ inner)
        k = at.block
        solved = np.einsum("gij,gj->gi", self.inverses, inner.reshape(-1, k)).ravel()
        if at.rest:
            solved = solved - self.over.T @ outer
        return [
            outer[at.offset[i] : at.offset[i] + size] if i in at.offset else solved[at.inside(i)]
            for i, size in enumerate(at.sizes)
        ]

    def leverages(self) -> tuple[Floats, list[Floats]]:
        """a_r = z_r'H⁻¹z_r, and for each effect (H⁻¹z_r) at the rating's level, each [rating]."""
        at, sigma = self.layout, self.sigma
        own = [np.zeros(len(at.levels[0])) for _ in at.sizes]
        for (i, j), entries in self._entries().items():
            own[i] += sigma[j] * entries
            if i != j:
                own[j] += sigma[i] * entries
        return np.asarray(sum(s * o for s, o in zip(sigma, own, strict=True))), own

    def variances(self) -> list[Floats]:
        """The diagonal of H⁻¹, by effect, [level]."""
        entries, found = self._entries(), []
        for i, size in enumerate(self.layout.sizes):
            own = np.zeros(size)
            own[self.layout.levels[i]] = entries[i, i]
            found.append(own)
        return found

    def _entries(self) -> dict[tuple[int, int], Floats]:
        """H⁻¹ at each rating's levels of two effects, [rating], for each pair of effects.

        The blocks of H⁻¹ are S⁻¹, −S⁻¹CD⁻¹ and D⁻¹ + D⁻¹C'S⁻¹CD⁻¹.
        """
        at, found = self.layout, {}
        # 1) D⁻¹ among the eliminated effects, by the fine effect's level.
        fine, block, slot = at.levels[at.fine], at.parent, at.slot
        found[at.fine, at.fine] = self.inverses[block, slot, slot]
        if at.coarse is not None:
            found[at.coarse, at.coarse] = self.inverses[block, 0, 0]
            found[at.fine, at.coarse] = self.inverses[block, slot, 0]
        if not at.rest:
            return {pair: np.asarray(v[fine]) for pair, v in found.items()}
        # 2) What S⁻¹ adds to it.
        inverse = linalg.cho_solve(self.factor, np.eye(at.rest))
        spread = (self.over.T @ inverse).T
        for e, f in list(found):
            left, right = (self._columns(x) for x in (e, f))
            added = self.over[:, left].multiply(spread[:, right]).sum(axis=0)
            found[e, f] = found[e, f] + np.asarray(added).ravel()
        entries = {pair: np.asarray(v[fine]) for pair, v in found.items()}
        # 3) The others among themselves, and with the eliminated.
        others = list(at.offset)
        for n, i in enumerate(others):
            place = at.offset[i] + at.levels[i]
            for j in others[n:]:
                entries[i, j] = inverse[place, at.offset[j] + at.levels[j]]
            for e in at.eliminated:
                entries[i, e] = -spread[place, at.inside(e)[at.levels[e]]]
        return entries

    def _columns(self, effect: int) -> Ints:
        """The place in E of an eliminated effect at each level of the fine effect."""
        at = self.layout
        return at.inside(effect) if effect == at.fine else at.inside(effect)[at.parent]
