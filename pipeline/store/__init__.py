"""The run directory: its only writer, its tables, its activation files and its ledgers."""
