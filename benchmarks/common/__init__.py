"""What several benchmarks share: a served site, made subjects."""
