"""Configurations of checkpoints that profiles name, as their makers publish them."""
