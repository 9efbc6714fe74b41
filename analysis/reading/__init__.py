"""Reading the table and the files beside it: refusals, exclusions, and what was planned."""
