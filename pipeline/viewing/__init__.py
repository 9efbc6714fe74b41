"""Figures and pictures of a single feature, read from a run.

Nothing here writes files; the caller stores the results.
"""
