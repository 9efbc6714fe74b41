"""Reads the table and the files beside it: checks, exclusions, and the study's plan."""
