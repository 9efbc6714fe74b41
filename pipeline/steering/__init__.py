"""Steering: music generated with features turned up (Singh, Cherep and Maes, arXiv 2505.18186)."""
