"""Recordings: adapters that list them, splits, decoding. What the pipeline knows of a corpus."""
