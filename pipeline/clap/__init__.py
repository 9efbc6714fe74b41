"""CLAP: one model that places sounds and texts in one space.

transformers' `ClapModel` and laion-clap's own checkpoints give other numbers for the same names:
a run has one backend, and its fingerprint, which is part of the run's key, says which.
"""
