"""Cumulative link mixed models: their likelihood, their fit, and the same in R."""
