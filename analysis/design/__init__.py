"""Planning a study: simulated studies of a stated design, their power and width."""

from analysis.design.planning import Power, cheapest, from_pilot, power, run
from analysis.design.simulation import Design, simulate

__all__ = ["Design", "Power", "cheapest", "from_pilot", "power", "run", "simulate"]
