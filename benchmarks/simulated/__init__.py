"""Simulated listeners over real HTTP, and what the analysis makes of their answers."""
