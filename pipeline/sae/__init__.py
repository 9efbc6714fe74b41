"""Sparse autoencoders: the model, its training, and the format it is kept in."""
