"""Real servers, real processes, a real browser."""
