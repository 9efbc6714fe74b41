"""Does the pipeline find what is there? Planted concepts, what detects them, and the controls."""
