"""Estimates with their intervals, per method and between two methods, and hypothesis tests."""
