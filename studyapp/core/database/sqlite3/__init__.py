"""Django's backend for SQLite, with writers who wait in turn."""
