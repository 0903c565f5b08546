"""The model: build or load, its EMA target, save."""
