"""Figures and pictures of a feature, and what a whole run found, read from the run's files.

Nothing here writes files; the caller stores the results.
"""
