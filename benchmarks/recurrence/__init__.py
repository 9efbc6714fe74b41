"""Benchmarks of whether a motif that returns is told from music of the same texture."""
