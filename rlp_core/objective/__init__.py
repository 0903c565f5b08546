"""Reward, advantage and loss of RLP; `reference` is the slow textbook they are tested against."""
