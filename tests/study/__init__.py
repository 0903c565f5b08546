"""Tests of `rlp_core.study`."""
