"""Tests of `rlp_core.sweep`."""
