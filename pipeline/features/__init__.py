"""Features of an SAE: when a latent fires, which are kept, their exemplars and neighbours."""
