"""Essentia's TensorFlow models: what their own JSON says of them, and running them."""
