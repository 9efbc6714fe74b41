"""From a corpus and a music generator to labelled, scored features: plain Python and PyTorch.

The stages, their order and their files are in ARCHITECTURE.md; `python -m pipeline` runs them.
Importing this package loads neither torch nor transformers.
"""
