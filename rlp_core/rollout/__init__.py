"""Thoughts: randomness by counters, the sampler, scores."""
