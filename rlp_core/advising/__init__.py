"""Imitation, RLP, both or neither: what the data, and the model that is to learn, speak for."""
