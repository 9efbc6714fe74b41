"""Writes, one module a subject: the only place where rules live."""
