"""The base of all sections, by the name that `rlp_core.params` knows it by."""

from rlp_core.section import Count, NonNegative, Positive, PositiveReal, Section, Share

__all__ = ["Count", "NonNegative", "Positive", "PositiveReal", "Section", "Share"]
