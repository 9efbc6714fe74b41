"""Benchmarks of whole runs on a site."""
