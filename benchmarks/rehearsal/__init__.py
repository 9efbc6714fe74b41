"""Rehearses compose.yaml without Docker: `python -m benchmarks.rehearsal`."""
