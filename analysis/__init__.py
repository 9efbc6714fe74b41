"""The responses table to a report: who trusted which method's names, and how sure one may be.

Plain numpy, scipy and pandas; no web framework, no torch. The path through the room is
`table`, `exclusions` (read, refuse, leave out) → `methods`, `comparisons`, `choices`, … (estimates)
→ `summaries` (all of them) → `figures`, `page`, `sections`, `report` (files).
Heavy libraries (matplotlib) are imported inside the functions that need them.
"""
