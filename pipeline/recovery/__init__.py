"""Does the pipeline find what is there? Planted concepts, and what found them beside controls."""
