"""What the report says of pairs and of intruder trials, in a section or a report of their own."""
