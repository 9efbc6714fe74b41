"""The corpus: adapters that list its recordings, splits, and decoding of audio."""
