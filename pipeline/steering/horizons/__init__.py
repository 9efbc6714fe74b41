"""What remains of an intervention after it has stopped: windows, their estimates, their table."""
