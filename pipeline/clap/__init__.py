"""CLAP: a model that embeds audio and text in one space (Wu et al., 2023, arXiv 2211.06687).

transformers' `ClapModel` and laion-clap's own checkpoints give different numbers for models of the
same name: a run uses one backend, recorded in its fingerprint, which is part of the run's key.
"""
