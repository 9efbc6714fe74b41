"""Items from anywhere: a table of names for things that are heard, and their clips.

`check` reads the table and lists every fault with its line; `make` then makes the rows of it that a
study draws from, as of a finished run. Nothing of the pipeline is needed.
"""
