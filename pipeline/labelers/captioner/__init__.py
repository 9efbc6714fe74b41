"""Music captioners that run on this machine."""
