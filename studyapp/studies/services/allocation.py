"""Which trials a participation gets: drawn from study, counts and seed only, so that it is
repeatable.

Nothing here reads or writes a row. `draw` takes what the study fixes (`Frame`), what was held at
that moment (`Counts`) and the seed. It returns the condition, the trials, their order and the order
of their options. Equal input always gives an equal allocation; to change the draw, add a new
`ALGORITHM`.

*Cells.* A participation has every feature at most once. Between participants all its features are
of one condition, within participants each condition has an equal share. Among all sets of cells
that fulfil this, one with the fewest ratings is taken, exactly: a minimum-cost flow from conditions
to features whose cost grows with the square of a cell's ratings. Ties go to the cell that lost
fewer participants, then by lot.

*Alike.* Where several cells have one condition and one feature, only the cheapest can be taken,
which is as good as any: a participation has at most one of them.

*Order.* The order in which a trial shows its options is random; where `balanced`, the first stored
one comes equally often at every position over the main trials of a participation.

*Identification.* No label is both target and distractor within one participation: two items
conflict if the target of one is a distractor of the other. A set without conflicts is searched for
among all items, then in each half of a two-colouring of the conflicts (distractors are drawn so
that each half has none: `drawing.options_by_identification`), then starting from each of the least
rated items; the cheapest set found is taken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from studyapp.core.errors import StudyError
from studyapp.studies.services.drawing import OPTIONS, stream

ALGORITHM = "crossed-1"
MAIN, CATCH, REPEAT = "main", "catch", "repeat"
ANCHORS = 12
"""How many of the least rated items a set without conflicts is grown from."""


@dataclass(frozen=True)
class Cell:
    """A main item as the draw needs it."""

    item: str
    feature: str
    """What a participation has at most once: the feature, or what it shares with others."""
    method: str
    target: str = ""
    """Folded text of the right answer, in identification."""
    distractors: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Frame:
    """What the study fixes."""

    methods: tuple[str, ...]
    cells: tuple[Cell, ...]
    """Ordered by item."""
    trials: int
    """Main trials of a participation."""
    within: bool = False
    catch: tuple[str, ...] = ()
    """All catch items, in order."""
    catch_trials: int = 0
    repeats: int = 0
    shown: int = OPTIONS
    """How many options a trial shows."""
    balanced: bool = False
    """Whether the first stored option is equally often at each position."""

    def only(self, methods: Collection[str]) -> Frame:
        """The frame without the conditions that are switched off: it has these methods only."""
        if set(self.methods) <= set(methods):
            return self
        return replace(
            self,
            methods=tuple(method for method in self.methods if method in methods),
            cells=tuple(cell for cell in self.cells if cell.method in methods),
        )


@dataclass(frozen=True)
class Counts:
    """What was held when the participant consented."""

    held: Mapping[str, int]
    """Method that is on → participations that hold a place in it; their number is unused within
    participants."""
    ratings: Mapping[str, tuple[int, int]]
    """Item → (main trials that hold a place, main trials that lost it)."""


@dataclass(frozen=True)
class AllocatedTrial:
    """A trial to be created."""

    item: str
    kind: str
    order: tuple[int, ...]
    """Indices into the item's options, in the order shown."""
    repeats: int | None = None
    """For a repeat: index, among the trials, of the one that it repeats."""


@dataclass(frozen=True)
class Allocation:
    """What a participation is given."""

    method: str | None
    """None within participants."""
    trials: tuple[AllocatedTrial, ...] = field(default=())


def draw(frame: Frame, state: Counts, seed: int) -> Allocation:
    """Draw an allocation. Raises `StudyError` if no set of cells fulfils the study's rules."""
    method = None if frame.within else _method(frame, state, seed)
    quotas = _quotas(frame, state, seed) if method is None else {method: frame.trials}
    costs = _costs(frame, state, seed)
    cells = [cell for cell in frame.cells if cell.method in quotas]
    chosen = _free_of_conflicts(cells, quotas, costs) if cells[0].target else None
    cells = _cheapest_alike(cells, costs.of)
    if chosen is None:
        chosen = _cheapest(cells, quotas, costs.of)
    items = sorted(cell.item for cell in chosen)
    stream(seed, "trials").shuffle(items)
    return Allocation(method, tuple(_in_order(frame, items, seed)))


def conflict(one: Cell, other: Cell) -> bool:
    """Whether the target of one is a distractor of the other."""
    return one.target in other.distractors or other.target in one.distractors


def _method(frame: Frame, state: Counts, seed: int) -> str:
    fewest = min(state.held[method] for method in frame.methods)
    least = [method for method in frame.methods if state.held[method] == fewest]
    return stream(seed, "condition").choice(least)


def _quotas(frame: Frame, state: Counts, seed: int) -> dict[str, int]:
    """An equal share of the trials for each condition; the remainder goes to the least rated."""
    rated = dict.fromkeys(frame.methods, 0)
    for cell in frame.cells:
        rated[cell.method] += state.ratings[cell.item][0]
    lots = list(frame.methods)
    stream(seed, "quotas").shuffle(lots)
    whole, over = divmod(frame.trials, len(lots))
    first = sorted(lots, key=lambda method: rated[method])[:over]
    return {method: whole + (method in first) for method in frame.methods}


@dataclass(frozen=True)
class Costs:
    """What a cell costs: one whole number that combines four in strict order of importance."""

    of: Mapping[str, int]
    """Item → cost."""
    per_rating: int
    """The least that one more rating costs: sets that differ by less have equal ratings."""


def _costs(frame: Frame, state: Counts, seed: int) -> Costs:
    """First the square of a cell's ratings, then its feature, then its losses, then the lot.

    The feature counts because, within participants, a feature whose cells all have few ratings must
    be taken now: later participations can take it only once each and might not suffice (a bipartite
    graph splits into as many matchings as its largest degree, if each covers the nodes of that
    degree). The features with the fewest ratings over all conditions come first.
    """
    items = [cell.item for cell in frame.cells]
    lots = list(range(len(items)))
    stream(seed, "items").shuffle(lots)
    totals = dict.fromkeys((cell.feature for cell in frame.cells), 0)
    for cell in frame.cells:
        totals[cell.feature] += state.ratings[cell.item][0]
    fewest, classes, base = min(totals.values()), len(frame.methods), frame.trials + 1
    per_loss = frame.trials * len(items) + 1
    per_feature = per_loss * (frame.trials * max(state.ratings[item][1] for item in items) + 1)
    per_rating = per_feature * base ** (classes + 1)

    def cost(cell: Cell, lot: int) -> int:
        held, lost = state.ratings[cell.item]
        above = min(totals[cell.feature] - fewest, classes)
        urgency = base**classes - base ** (classes - above)
        price: int = held**2 * per_rating + urgency * per_feature + lost * per_loss + lot
        return price

    costs = {cell.item: cost(cell, lot) for cell, lot in zip(frame.cells, lots, strict=True)}
    return Costs(costs, per_rating)


def _cheapest(
    cells: Sequence[Cell], quotas: Mapping[str, int], costs: Mapping[str, int]
) -> list[Cell]:
    """The cheapest cells that fill the quotas with different features.

    By successive shortest paths: a condition takes a free feature, or one that another condition
    has taken, which then takes a different one.
    """
    of = {(cell.method, cell.feature): cell for cell in cells}
    # No condition needs more than its `trials` cheapest: the others hold fewer features than that.
    offers = {method: _offers(cells, method, sum(quotas.values()), costs) for method in quotas}
    taken: dict[str, str] = {}
    for method in [name for name, count in quotas.items() for _ in range(count)]:
        for feature, taker in _path(method, offers, taken, of, costs):
            taken[feature] = taker
    return [of[method, feature] for feature, method in taken.items()]


def _cheapest_alike(cells: Sequence[Cell], costs: Mapping[str, int]) -> list[Cell]:
    """Of each condition and feature its cheapest cell."""
    least: dict[tuple[str, str], Cell] = {}
    for cell in cells:
        known = least.setdefault((cell.method, cell.feature), cell)
        if costs[cell.item] < costs[known.item]:
            least[cell.method, cell.feature] = cell
    return list(least.values())


def _offers(cells: Sequence[Cell], method: str, count: int, costs: Mapping[str, int]) -> list[Cell]:
    own = [cell for cell in cells if cell.method == method]
    return sorted(own, key=lambda cell: costs[cell.item])[:count]


def _path(
    start: str,
    offers: Mapping[str, Sequence[Cell]],
    taken: Mapping[str, str],
    of: Mapping[tuple[str, str], Cell],
    costs: Mapping[str, int],
) -> list[tuple[str, str]]:
    """The cheapest way to give `start` one more feature: (feature, its new condition), in order."""
    spent: dict[str, int] = {start: 0}
    ways: dict[str, list[tuple[str, str]]] = {start: []}
    for _ in range(len(offers)):
        for method in list(spent):
            for cell in offers[method]:
                holder = taken.get(cell.feature)
                if holder is None or holder == method:
                    continue
                cost = spent[method] + costs[cell.item] - costs[of[holder, cell.feature].item]
                if holder not in spent or cost < spent[holder]:
                    spent[holder] = cost
                    ways[holder] = [*ways[method], (cell.feature, method)]
    ends = [
        (spent[method] + costs[cell.item], cell.feature, method)
        for method in spent
        for cell in offers[method]
        if cell.feature not in taken
    ]
    if not ends:
        raise StudyError("there are fewer features than trials per participation")
    _, feature, method = min(ends)
    return [*ways[method], (feature, method)]


def _free_of_conflicts(
    cells: Sequence[Cell], quotas: Mapping[str, int], costs: Costs
) -> list[Cell]:
    """The cheapest set found that fills the quotas and has no conflicts.

    At equal ratings a set from one half goes first: mixed ones would leave uneven halves behind.
    """
    ordered = sorted(cells, key=lambda cell: costs.of[cell.item])
    halves = _halves(ordered)
    pure = [_cheapest_or_none(half, quotas, costs) for half in halves]
    mixed = [_greedy([anchor, *ordered], quotas) for anchor in ordered[:ANCHORS]]
    mixed += [
        _greedy([anchor, *half], quotas)
        for anchor in ordered[:ANCHORS]
        for half in halves
        if anchor in half
    ]
    tries = [(chosen, False) for chosen in pure] + [(chosen, True) for chosen in mixed]
    found = [
        (_price(chosen, costs) // costs.per_rating, is_mixed, _price(chosen, costs), chosen)
        for chosen, is_mixed in tries
        if chosen and not _clashes(chosen)
    ]
    if not found:
        raise StudyError(
            "every set of trials would show a right answer as a wrong one too: for identification "
            "the study needs more different labels, or fewer trials per participation"
        )
    return min(found, key=lambda one: one[:3])[3]


def _cheapest_or_none(
    cells: Sequence[Cell], quotas: Mapping[str, int], costs: Costs
) -> list[Cell] | None:
    try:
        return _cheapest(cells, quotas, costs.of)
    except StudyError:
        return None


def _price(chosen: Sequence[Cell], costs: Costs) -> int:
    return sum(costs.of[cell.item] for cell in chosen)


def _clashes(chosen: Sequence[Cell]) -> bool:
    targets = {cell.target for cell in chosen}
    return any(targets & cell.distractors for cell in chosen)


def _greedy(ordered: Sequence[Cell], quotas: Mapping[str, int]) -> list[Cell] | None:
    """Take each cell that fits the ones taken before; None if the quotas are not filled."""
    left, chosen = dict(quotas), list[Cell]()
    for cell in ordered:
        fits = left[cell.method] and all(
            cell.feature != other.feature and not conflict(cell, other) for other in chosen
        )
        if fits:
            chosen.append(cell)
            left[cell.method] -= 1
            if not any(left.values()):
                return chosen
    return None


def _halves(cells: Sequence[Cell]) -> tuple[list[Cell], list[Cell]]:
    """The cells in two halves by a two-colouring of their conflicts, as far as there is one."""
    by_target: dict[str, list[Cell]] = {}
    by_distractor: dict[str, list[Cell]] = {}
    for cell in cells:
        by_target.setdefault(cell.target, []).append(cell)
        for text in cell.distractors:
            by_distractor.setdefault(text, []).append(cell)
    colour: dict[str, int] = {}
    for first in cells:
        waiting = [(first, 0)]
        while waiting:
            cell, own = waiting.pop()
            if cell.item in colour:
                continue
            colour[cell.item] = own
            clash = [*by_distractor.get(cell.target, ())]
            clash += [other for text in cell.distractors for other in by_target.get(text, ())]
            # An equal target is the same label: what conflicts with one conflicts with all.
            waiting += [(other, own) for other in by_target[cell.target]]
            waiting += [(other, 1 - own) for other in clash]
    return (
        [cell for cell in cells if colour[cell.item] == 0],
        [cell for cell in cells if colour[cell.item] == 1],
    )


def _in_order(frame: Frame, items: Sequence[str], seed: int) -> Iterable[AllocatedTrial]:
    """Main trials with catch trials between them and repeats towards the end."""
    rng = stream(seed, "options")
    orders = [_order(rng, frame.shown) for _ in items]
    if frame.balanced:
        orders = _balanced(orders, rng)
    trials = [AllocatedTrial(item, MAIN, order) for item, order in zip(items, orders, strict=True)]
    trials = _with_catch(frame, trials, stream(seed, "catch"))
    return _with_repeats(frame, trials, stream(seed, "repeats"))


def _with_catch(frame: Frame, trials: list[AllocatedTrial], rng: Random) -> list[AllocatedTrial]:
    """Insert one catch trial into each of as many equal parts, never as the first trial."""
    items = rng.sample(frame.catch, frame.catch_trials)
    stretch = len(trials) / max(1, len(items))
    for number, item in reversed(list(enumerate(items))):
        low, high = round(number * stretch), round((number + 1) * stretch)
        place = rng.randint(min(low + 1, high), high)
        trials.insert(place, AllocatedTrial(item, CATCH, _order(rng, frame.shown)))
    return trials


def _with_repeats(frame: Frame, trials: list[AllocatedTrial], rng: Random) -> list[AllocatedTrial]:
    """Repeat main trials of the first half in the last quarter, with options in another order."""
    early = [n for n, one in enumerate(trials) if one.kind == MAIN]
    early = early[: max(frame.repeats, len(early) // 2)]
    first = len(trials) - len(trials) // 4
    for source in sorted(rng.sample(early, frame.repeats)):
        order = _order(rng, frame.shown)
        while order == trials[source].order:
            order = _order(rng, frame.shown)
        # Never right after the trial that it repeats, if another can come between them.
        low = min(max(first, source + 2), len(trials))
        place = rng.randint(low, len(trials))
        trials.insert(place, AllocatedTrial(trials[source].item, REPEAT, order, repeats=source))
    return trials


def _balanced(orders: Sequence[tuple[int, ...]], rng: Random) -> list[tuple[int, ...]]:
    """The orders with the first stored option moved, so that it is equally often at each position.

    What is left over if their number cannot be divided goes to positions by lot.
    """
    shown = len(orders[0])
    places = [n % shown for n in range(shown * (len(orders) // shown))]
    places += rng.sample(range(shown), len(orders) - len(places))
    rng.shuffle(places)
    moved = []
    for order, place in zip(orders, places, strict=True):
        rest = [index for index in order if index != 0]
        moved.append((*rest[:place], 0, *rest[place:]))
    return moved


def _order(rng: Random, shown: int) -> tuple[int, ...]:
    return tuple(rng.sample(range(shown), shown))
