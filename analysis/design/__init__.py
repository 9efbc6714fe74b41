"""Planning a study: simulated studies of a given design, their power and interval width."""

from analysis.design.planning import Power, cheapest, from_pilot, power, run
from analysis.design.simulation import Design, simulate

__all__ = ["Design", "Power", "cheapest", "from_pilot", "power", "run", "simulate"]
