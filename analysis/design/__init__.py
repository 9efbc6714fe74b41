"""Planning a study: simulated studies of a given design, their power and interval width."""

from analysis.design.pair_planning import fewest_listeners, pair_power, run_pairs
from analysis.design.pair_simulation import PairDesign, simulate_pairs
from analysis.design.planning import (
    Power,
    cheapest,
    fewest,
    fewest_of_features,
    from_pilot,
    power,
    run,
)
from analysis.design.simulation import Design, simulate

__all__ = [
    "Design",
    "PairDesign",
    "Power",
    "cheapest",
    "fewest",
    "fewest_listeners",
    "fewest_of_features",
    "from_pilot",
    "pair_power",
    "power",
    "run",
    "run_pairs",
    "simulate",
    "simulate_pairs",
]
