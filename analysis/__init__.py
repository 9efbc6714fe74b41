"""The responses table to a report: who trusted which method's names, and how sure one may be.

Plain numpy, scipy and pandas; no web framework, no torch. The path through the rooms is
`reading` (read, refuse, leave out) → `estimates`, `listeners`, `models` (one number each, with its
interval) → `report` (`analyse` computes all of them; `sections`, `figures`, `build` write files).
`design` plans a study. A room imports only rooms before it (`pyproject.toml` has their order).
Heavy libraries (matplotlib) are imported inside the functions that need them.
"""
