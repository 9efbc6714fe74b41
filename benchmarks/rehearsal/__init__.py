"""compose.yaml rehearsed without Docker; `python -m benchmarks.rehearsal`."""
