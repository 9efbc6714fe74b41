"""Cumulative link mixed models: their likelihood, their fit, and an R script that repeats it."""
