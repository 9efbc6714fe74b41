"""Tables of other platforms, read as `responses.csv` would be.

`python -m analysis map FILE` proposes a mapping (`propose`), a TOML file to check and edit
(`mapping`); with it `apply` turns the table (`tables`), whatever its delimiter, encoding and
layout, into the columns and levels of `analysis.reading.columns`.
"""
