"""Steering: music with features turned up. What is steered and how far, and its generation."""
