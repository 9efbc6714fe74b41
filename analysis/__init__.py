"""From a table of responses to a report on the methods' labels, with honest intervals.

Plain numpy, scipy and pandas; no web framework, no torch. Data flow through the rooms in this
order: `reading` (read and check the table, leave rows out) → `estimates`, `listeners` and `models`
(compute numbers with their intervals) → `report` (`analyse` calls all of them; `sections`,
`figures` and `build` write the files). `design` plans a study. A room imports only the rooms below
it; `pyproject.toml` has their order. Heavy libraries (matplotlib) are imported inside the functions
that need them.
"""
