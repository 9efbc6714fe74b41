"""Gemini: its API, batch jobs, and which hosts may receive the key."""
