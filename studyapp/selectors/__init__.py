"""Reads, one module a subject. A selector changes nothing."""
