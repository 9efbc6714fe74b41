"""Planning a study: simulated studies of a given design, their power and interval width."""

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
    "Power",
    "cheapest",
    "fewest",
    "fewest_of_features",
    "from_pilot",
    "power",
    "run",
    "simulate",
]
