"""Shared by several benchmarks: a running site, and subjects with random weights."""
