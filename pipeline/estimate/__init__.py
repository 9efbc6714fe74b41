"""What a run will take, before it starts: bytes, memory, hours and money."""

from pipeline.estimate.sizes import RunCost, cost_of, latents_of

__all__ = ["RunCost", "cost_of", "latents_of"]
