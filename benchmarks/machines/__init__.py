"""Benchmarks of what tells programs from people."""
