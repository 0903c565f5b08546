"""A sweep: trials of one recipe over a space of parameters, pruned early, resumable, reported."""
