"""Pairs of clips and intruder trials: which of two has more of a label; which of five fits not."""
