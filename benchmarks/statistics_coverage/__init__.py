"""Coverage of every interval and false alarms of every test that a report can print."""
