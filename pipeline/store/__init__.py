"""The run directory: its one writer, its tables, its activation files, its ledgers."""
