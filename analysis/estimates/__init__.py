"""Estimates with their intervals, per method and between two methods; hypothesis tests."""
