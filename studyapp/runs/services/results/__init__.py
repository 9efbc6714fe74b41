"""What is made of a run that was made: stored figures, the paper's tables, measured SAEs."""
