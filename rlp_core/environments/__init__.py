"""Worlds with rules: what may be asked, an expert who explains its steps, a verifier."""
